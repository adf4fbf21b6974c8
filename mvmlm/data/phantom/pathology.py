"""What a biopsy of a finding would say.

A finding's category bounds how likely cancer is (ACR BI-RADS Atlas, 5th edition, 2013: category 3 at most 2 %, 4 more
than 2 and less than 95 %, 5 at least 95 %); inside category 4 the form decides, by figures of ours in the order that
the Atlas gives for morphologies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvmlm.data.phantom.findings import Finding

PROBABLY_BENIGN, HIGHLY_SUGGESTIVE = 0.02, 0.95
#: Share of cancers among findings of category 4, by form.
SUSPICIOUS = {
    "round": 0.10, "indistinct": 0.30, "spiculated": 0.60,
    "punctate": 0.10, "pleomorphic": 0.30, "linear": 0.60,
    "asymmetry": 0.12, "distortion": 0.40,
}  # fmt: skip
#: Share of invasive ones among cancers: found by calcifications alone, and all others.
INVASIVE_CALCIFICATION, INVASIVE = 0.35, 0.88
#: Shares among benign specimens. Ours.
HIGH_RISK, BORDERLINE = 0.15, 0.10
CALCIFICATIONS = ("punctate", "pleomorphic", "linear")
BIOPSIED_FROM = 4


@dataclass(frozen=True)
class Outcome:
    """Of a biopsy: 0 invasive cancer, 1 cancer in situ, 2 high risk, 3 borderline, 4 benign (EMBED's severities)."""

    severity: int

    @property
    def cancer(self) -> bool:
        """Invasive or in situ."""
        return self.severity <= 1

    @property
    def invasive(self) -> bool:
        """Invasive cancer."""
        return self.severity == 0


def outcome(rng: np.random.Generator, finding: Finding, factor: float = 1.0) -> Outcome:
    """Draw what a finding is.

    Parameters
    ----------
    rng : Generator
    finding : Finding
    factor : float
        On the odds of cancer.
    """
    is_cancer, which = rng.random(2)
    odds = factor * cancer_share(finding) / (1 - cancer_share(finding))
    if is_cancer < odds / (1 + odds):
        invasive = INVASIVE_CALCIFICATION if finding.form in CALCIFICATIONS else INVASIVE
        return Outcome(0 if which < invasive else 1)
    return Outcome(2 if which < HIGH_RISK else 3 if which < HIGH_RISK + BORDERLINE else 4)


def cancer_share(finding: Finding) -> float:
    """How often such a finding is cancer, 0 to 1; never for benign calcifications."""
    if finding.birads == 4:
        return SUSPICIOUS[finding.form]
    return {3: PROBABLY_BENIGN, 5: HIGHLY_SUGGESTIVE}.get(finding.birads, 0.0)
