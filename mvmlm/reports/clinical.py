"""Source ``clinical``: what the data set's own radiologist wrote, where a set has it (CDD-CESM's findings)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mvmlm.reports.source import SOURCES, Draw, Source

#: Words that tell what came of it. A report is what a radiologist saw; its sentences with these words are left out.
OUTCOME = re.compile(
    r"\b(?:patholog\w*|histolog\w*|cytolog\w*|biops\w*|carcinom\w*|adenocarcinom\w*|cancer\w*|malignan\w*|metasta\w*|"
    r"dcis|idc|ilc|excis\w*|mastectom\w*|chemotherap\w*)\b",
    re.IGNORECASE,
)
_PARTS = re.compile(r"(?<=[.;!?])\s+|[$\n\r]+")


@SOURCES.register("clinical")
class Clinical(Source):
    """Real report text, less the sentences that tell an outcome; breasts without any have no report."""

    reads_words = True

    def write(self, draws: Sequence[Draw]) -> list[str]:
        """One text a draw."""
        return [clinical_text(draw.case.words) for draw in draws]


def clinical_text(words: str) -> str:
    """Sentences of a real report on one line, without repeats and without those that name an outcome.

    >>> clinical_text("High density mass$Vascular calcification\\nHigh density mass. Biopsy: ductal carcinoma.")
    'High density mass. Vascular calcification.'
    """
    parts = [" ".join(part.split()).rstrip(" .;") for part in _PARTS.split(words)]
    kept = dict.fromkeys(part for part in parts if part and not OUTCOME.search(part))
    return " ".join(f"{part}{'' if part.endswith(('!', '?')) else '.'}" for part in kept)
