"""A text held against the record that it was made from."""

from __future__ import annotations

from dataclasses import dataclass

from mvmlm.reports.faithfulness.extract import extract
from mvmlm.reports.record import DESCRIBES, FINDINGS, Record


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a text.

    Attributes
    ----------
    hallucinated : tuple of str
        Fields that it states and the record does not know, and kinds of claims that no record can hold. That a finding
        is absent is such a claim where it is unknown.
    contradicted : tuple of str
        Fields of which it gives another value than the record, or two; and what it says of a finding that is absent.
    omitted : tuple of str
        Fields that the record knows and it leaves out.
    """

    hallucinated: tuple[str, ...] = ()
    contradicted: tuple[str, ...] = ()
    omitted: tuple[str, ...] = ()

    @property
    def faithful(self) -> bool:
        """Nothing untrue; what is left out is counted apart."""
        return not self.hallucinated and not self.contradicted


def check(record: Record, text: str) -> Verdict:
    """Compare what a text says with its record.

    A described finding is there, whether or not the record says so as well; an assessment in words stands for its
    category; a size in centimetres is one in millimetres, and of two or three sides the longest counts; 4A to 4C are 4;
    «no evidence of malignancy» is what categories 1 and 2 say, and contradicts any other.
    """
    claims = extract(text)
    extras = claims.extras - {"no malignancy"} if record.birads is not None else claims.extras
    seen = {finding: record.seen(finding) for finding in FINDINGS}
    known = {**record.known(), **{finding: value for finding, value in seen.items() if value is not None}}
    hallucinated, contradicted = sorted(extras), []
    for name, values in claims.values.items():
        if name in known:
            if values != {known[name]}:
                contradicted.append(name)
        elif known.get(DESCRIBES.get(name, "")) is False:
            contradicted.append(name)
        else:
            hallucinated.append(name)
    if extras != claims.extras and record.birads not in (1, 2) and "birads" not in contradicted:
        contradicted.append("birads")
    omitted = [name for name in known if name not in claims.values]
    return Verdict(tuple(hallucinated), tuple(contradicted), tuple(omitted))
