"""What a check of a data set's folder puts out: findings, and the numbers and lists behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from mvmlm.data.check.tally import Count

GOOD, WARN, BAD = "good", "warn", "bad"
#: Section of a finding to its title, in the order in which they are shown.
SECTIONS = {
    "usable": "What can be used",
    "counts": "Counts",
    "rows": "Rows of the tables",
    "files": "Files",
    "doubles": "Leaks and doubles",
    "views": "View sets",
    "headers": "DICOM headers",
    "images": "Images tried",
    "outcomes": "Outcomes",
}
MOST_EXAMPLES = 5


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes
    ----------
    section : str
        A key of `SECTIONS`.
    level : {'good', 'warn', 'bad'}
        ``good`` only informs; ``bad`` is harm to a larger share of the data than the user allows.
    what : str
        One sentence with its numbers, without a full stop.
    count : int
        How many images, breasts or patients it is about.
    examples : tuple of str
        Five at most.
    todo : str
        What to do about it; empty where there is nothing to do.
    """

    section: str
    level: str
    what: str
    count: int = 0
    examples: tuple[str, ...] = ()
    todo: str = ""


@dataclass
class Report:
    """Everything that a check found.

    Attributes
    ----------
    exams : DataFrame
        The exam table, all rows that the reader took in.
    usable_share : float
        Share of the rows meant to be used that can be; an estimate where not every image was tried.
    is_part : bool
        Whether the tables hold a part of the published set.
    n_here : int
        Rows of the exam table whose file is there.
    n_tried : int
        Images that were decoded.
    counts : dict
        Quantity to its `Count` in all, in training and in test set, each beside the published number.
    positives : DataFrame
        ``label, split, unit, positive, known, units``.
    graded : DataFrame
        ``name, value, unit, count``: density, BI-RADS, views, manufacturers, …
    known : DataFrame
        ``column, images, share``: of how many images a column of the exam table is known.
    histograms : dict
        Title to number of units by size, such as exams by number of images.
    headers : dict
        Title to number of files by value, of the headers that were read.
    tables : dict
        Name of a CSV file to its rows: the full lists behind the findings.
    sheet : ndarray, shape (H, W, 3), uint8, or None
        The contact sheet.
    """

    exams: pd.DataFrame
    usable_share: float = 1.0
    is_part: bool = False
    n_here: int = 0
    n_tried: int = 0
    checks: list[Check] = field(default_factory=list)
    counts: dict[str, dict[str, Count]] = field(default_factory=dict)
    positives: pd.DataFrame = field(default_factory=pd.DataFrame)
    graded: pd.DataFrame = field(default_factory=pd.DataFrame)
    known: pd.DataFrame = field(default_factory=pd.DataFrame)
    histograms: dict[str, dict[str, int]] = field(default_factory=dict)
    headers: dict[str, dict[str, int]] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    sheet: np.ndarray | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that are counted; empty for all."""
        return tuple(next(iter(self.counts.values()), {"": None}))

    @property
    def to_look_at(self) -> list[Check]:
        """Findings that are not good, the bad ones first."""
        return [c for level in (BAD, WARN) for c in self.checks if c.level == level]

    @property
    def is_bad(self) -> bool:
        """Whether something is wrong with a larger share of the data than the user allows."""
        return any(c.level == BAD for c in self.checks)


def harm(count: int, of: int, most: float) -> str:
    """Level of a finding that harms ``count`` of ``of`` units, when a share of ``most`` of them is allowed."""
    if not count:
        return GOOD
    return BAD if count > most * of else WARN


def some(values: Iterable) -> tuple[str, ...]:
    """The first five as examples."""
    return tuple(str(value) for _, value in zip(range(MOST_EXAMPLES), values))


def of_all(count: int, of: int, units: str) -> str:
    """``3 of 20,000 images (0.015 %)``, or ``all 20,000 images``."""
    if count == of:
        return f"all {of:,} {units}"
    return f"{count:,} of {of:,} {units} ({percent(count, of)})"


def percent(count: float, of: float) -> str:
    """A share in percent, with two digits of what is there and of what is not: ``0.015 %``, ``37 %``, ``99.97 %``."""
    share = 100 * count / max(of, 1)
    rest = min(share, 100 - share)
    if rest <= 0:
        return f"{share:.0f} %"
    return f"{share:.{max(0, min(4, 1 - int(np.floor(np.log10(rest)))))}f} %"
