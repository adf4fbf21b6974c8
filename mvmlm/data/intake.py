"""Rows of a data set's tables on their way into the exam table: what is taken, set aside, kept apart, and why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from mvmlm.data.exam_table import REQUIRED, VALUES, validate
from mvmlm.errors import DataError

AGES = (0, 120)  # years
BAD = ["image_id", "path", "boxes", "reason"]
BOTH_SIDES = "its patient is in the test set too"  # a fault of the split, not of the row: no sign of a bad folder


@dataclass
class Log:
    """What a reader notes down while it reads.

    Attributes
    ----------
    bad : list of DataFrame
        Rows that cannot be used, each with ``image_id``, ``path``, ``boxes`` and ``reason``.
    apart : dict
        What is no standard image of this set (tomosynthesis, magnification, …) to the number of rows left out.
    notes : list of str
        What was resolved, and by which rule, each a sentence with its count.
    """

    bad: list[pd.DataFrame] = field(default_factory=list)
    apart: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def set_aside(self, rows: pd.DataFrame, which: pd.Series, reason: str | pd.Series) -> pd.DataFrame:
        """``rows`` without those that cannot be used, which are counted as bad; one reason for all, or one a row."""
        which = which.fillna(False).astype(bool)
        if which.any():
            gone = rows.loc[which].reindex(columns=["image_id", "path", "boxes"]).astype("string")
            self.bad.append(gone.assign(reason=reason if isinstance(reason, str) else reason[which]))
        return rows[~which]

    def keep_apart(self, rows: pd.DataFrame, which: pd.Series, what: str) -> pd.DataFrame:
        """``rows`` without those that are fine and something else, such as a tomosynthesis volume."""
        which = which.fillna(False).astype(bool)
        if which.any():
            self.apart[what] = self.apart.get(what, 0) + int(which.sum())
        return rows[~which]

    def note(self, text: str) -> None:
        """Remember a sentence for whoever reads a result."""
        self.notes.append(text)


@dataclass(frozen=True)
class Intake:
    """A data set as it was read.

    Attributes
    ----------
    exams : DataFrame
        The exam table.
    set_aside : DataFrame
        ``image_id, path, boxes, reason`` of the rows that cannot be used.
    apart : dict
        What was left out for being something else, with its number of rows.
    notes : tuple of str
        What was resolved.
    """

    exams: pd.DataFrame
    set_aside: pd.DataFrame
    apart: dict[str, int]
    notes: tuple[str, ...]

    @property
    def bad(self) -> pd.DataFrame:
        """The set-aside rows that count as bad: all but those that the split's own fault has put there."""
        return self.set_aside[self.set_aside["reason"] != BOTH_SIDES]


def take_in(rows: pd.DataFrame, log: Log) -> Intake:
    """Sift a reader's rows and validate what is left.

    A row with no path, side, view, patient or exam is set aside, and one whose path leads out of the folder, or whose
    image id another row has already. Of a patient on both sides of a split the training rows are set aside: an
    official test set stays whole. An impossible age is unknown.

    Raises
    ------
    DataError
        When no row is left, or what is left is not an exam table.
    """
    rows = rows.reset_index(drop=True)
    if not len(rows) and not log.bad and not log.apart:
        raise DataError("the data set's table has no row")
    for name in REQUIRED:
        if name in rows:
            rows = log.set_aside(rows, rows[name].isna(), f"{name} is unknown")
    for name in ("laterality", "split"):
        if name in rows:
            strange = rows[name].notna() & ~rows[name].isin(VALUES[name])
            rows = log.set_aside(rows, strange, f"{name} '" + rows[name].astype("string") + "' is none")
    rows = log.set_aside(rows, rows["path"].map(leads_out), "path leads out of the folder")
    rows = log.set_aside(rows, rows["image_id"].duplicated(), "image_id is there already")
    rows = _one_side(rows, log)
    rows = _ages(rows, log)
    if not len(rows):
        apart = ", ".join(f"{count} {what}" for what, count in log.apart.items())
        why = "; ".join(part for part in (_reasons(log.bad), apart and f"kept apart: {apart}") if part)
        raise DataError(f"no row of the data set's table can be used: {why}")
    bad = pd.concat(log.bad, ignore_index=True) if log.bad else pd.DataFrame(columns=BAD)
    return Intake(validate(rows), bad, dict(log.apart), tuple(log.notes))


def leads_out(path: object) -> bool:
    """Whether a path of a table is absolute, climbs, or is none at all."""
    text = str(path).replace("\\", "/")
    parts = PurePosixPath(text)
    return not text.strip() or "\0" in text or parts.is_absolute() or ".." in parts.parts or ":" in text[:3]


def inside(root: Path, path: str, *, follow_links: bool = False) -> Path:
    """The file that a relative path means.

    Raises
    ------
    DataError
        When it leads out of the root, by itself or by a symbolic link.
    """
    if leads_out(path):
        raise DataError("path leads out of the folder")
    found = Path(root) / path
    if not follow_links and not found.resolve().is_relative_to(Path(root).resolve()):
        raise DataError("a symbolic link leads out of the folder (data.follow_links=true allows it)")
    return found


def _one_side(rows: pd.DataFrame, log: Log) -> pd.DataFrame:
    if "split" not in rows:
        return rows
    sides = rows.dropna(subset=["split"]).groupby("patient_id")["split"].nunique()
    both = rows["patient_id"].isin(sides.index[sides > 1]) & (rows["split"] == "train")
    return log.set_aside(rows, both, BOTH_SIDES)


def _ages(rows: pd.DataFrame, log: Log) -> pd.DataFrame:
    if "age" not in rows:
        return rows
    age = pd.to_numeric(rows["age"], errors="coerce").astype("Float64")
    wrong = ((age < AGES[0]) | (age > AGES[1])).fillna(False)
    if wrong.any():
        log.note(f"{int(wrong.sum())} ages are not between {AGES[0]} and {AGES[1]} years and count as unknown")
    return rows.assign(age=age.mask(wrong))


def _reasons(bad: Iterable[pd.DataFrame]) -> str:
    counts = pd.Series([reason for rows in bad for reason in rows["reason"]], dtype=object).value_counts()
    return "; ".join(f"{reason} ({count})" for reason, count in counts.head(5).items())
