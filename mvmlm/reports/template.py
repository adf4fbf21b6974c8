"""Source ``template``: a fixed wording that reads like a radiologist's report.

The wording of composition and assessment is that of the BI-RADS Atlas, 5th edition; the order of the
sentences (technique, composition, findings, negatives, assessment) is that of its lexicon for reporting.
"""

from __future__ import annotations

from collections.abc import Sequence

from mvmlm.reports.record import FINDINGS, Record
from mvmlm.reports.source import SOURCES, Draw, Source

_SIDES = {"L": "the left breast", "R": "the right breast"}

_COMPOSITION = {
    "A": "The breast is almost entirely fatty.",
    "B": "There are scattered areas of fibroglandular density.",
    "C": "The breast is heterogeneously dense, which may obscure small masses.",
    "D": "The breast is extremely dense, which lowers the sensitivity of mammography.",
}

_PRIOR = {
    True: "Comparison is made with a prior examination.",
    False: "There is no prior examination for comparison.",
}
_IMPLANT = {True: "An implant is present.", False: "There is no implant."}

_ASSESSMENT = {
    0: "Assessment: BI-RADS 0, incomplete, additional imaging evaluation is needed.",
    1: "Assessment: BI-RADS 1, negative, routine screening is recommended.",
    2: "Assessment: BI-RADS 2, benign, routine screening is recommended.",
    3: "Assessment: BI-RADS 3, probably benign, short-interval follow-up is recommended.",
    4: "Assessment: BI-RADS 4, suspicious, tissue diagnosis is recommended.",
    5: "Assessment: BI-RADS 5, highly suggestive of malignancy, tissue diagnosis is recommended.",
}

_ABSENT = {
    "mass": "mass",
    "calcification": "calcification",
    "asymmetry": "asymmetry",
    "architectural_distortion": "architectural distortion",
}


@SOURCES.register("template")
class Template(Source):
    """Deterministic prose: the control for what an LLM's wording adds."""

    def write(self, draws: Sequence[Draw]) -> list[str]:
        """One text a draw."""
        return [" ".join(template_sentences(draw.case.record)) for draw in draws]


def template_sentences(record: Record) -> list[str]:
    """The sentences of one record. What is unknown is not mentioned; only what is known absent is denied.

    >>> template_sentences(Record(mass=True, mass_margin="spiculated", calcification=False))[1:]
    ['There is a mass with a spiculated margin.', 'There is no calcification.']
    """
    parts = [
        _technique(record),
        f"The patient is {record.age} years old." if record.age is not None else None,
        _PRIOR.get(record.prior),
        _IMPLANT.get(record.implant),
        _COMPOSITION.get(record.density or ""),
        _mass(record),
        _calcification(record),
        "There is an asymmetry." if record.asymmetry else None,
        "There is architectural distortion." if record.architectural_distortion else None,
        _negatives(record),
        _ASSESSMENT[record.birads] if record.birads is not None else None,
    ]
    return [part for part in parts if part]


def _technique(record: Record) -> str:
    where = _SIDES.get(record.laterality or "", "one breast")
    if record.n_views is None:
        return f"Mammography of {where}."
    return f"Mammography of {where} in {record.n_views} view{'s' if record.n_views > 1 else ''}."


def _mass(record: Record) -> str | None:
    if not record.seen("mass"):
        return None
    density = {"fat-containing": "fat-containing"}.get(record.mass_density or "", f"{record.mass_density}-density")
    words = (record.mass_shape, record.mass_density and density, "mass")
    what = _article(" ".join(word for word in words if word))
    margin = f" with {_article(record.mass_margin)} margin" if record.mass_margin else ""
    size = f" measuring {record.mass_size} mm" if record.mass_size is not None else ""
    return f"There is {what}{margin}{size}{place(record.mass_location, record.mass_depth)}."


def _calcification(record: Record) -> str | None:
    if not record.seen("calcification"):
        return None
    what = f"{record.calcification_morphology or ''} calcifications".strip()
    spread = record.calcification_distribution
    where = place(record.calcification_location, record.calcification_depth)
    return f"There are {what}{f' in {_article(spread)} distribution' if spread else ''}{where}."


def place(location: str | None, depth: str | None) -> str:
    """Where a finding is, to go behind it: `` in the upper outer quadrant at middle depth``, or nothing."""
    part = "quadrant" if " " in (location or "") else "half"
    where = f" in the {location} {part}" if location else ""
    return f"{where} at {depth} depth" if depth else where


def _negatives(record: Record) -> str | None:
    absent = [_ABSENT[finding] for finding in FINDINGS if record.seen(finding) is False]
    if not absent:
        return None
    *most, last = absent
    return f"There is no {', '.join(most)} or {last}." if most else f"There is no {last}."


def _article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
