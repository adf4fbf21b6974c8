"""DICOM headers against the exam table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path, PurePosixPath

import pandas as pd

from mvmlm.data.check.report import GOOD, WARN, Check, harm, of_all, some
from mvmlm.data.exam_table import STANDARD_VIEWS
from mvmlm.data.header import Header, read_headers
from mvmlm.data.pixels import PICTURE_SUFFIXES

MAMMOGRAM = "mammogram"
#: Field of a header to the title of the table that counts its values.
TALLIED = {
    "kind": "kind of image",
    "manufacturer": "manufacturer",
    "model": "machine",
    "syntax": "transfer syntax",
    "photometric": "photometric interpretation",
}
MOST_VALUES = 30
#: Kind of a header that preparation refuses to what is said of its files, and what to do.
REFUSED = {
    "laterality": ("have another laterality in their header than in the table", "see which is right"),
    "view": ("have CC in their header and MLO in the table, or the reverse", "see which is right"),
    "unread": ("have a header that cannot be read", "fetch these files again"),
}


def is_dicom(paths: pd.Series) -> pd.Series:
    """Whether files are taken for DICOM, by their names."""
    return ~paths.map(lambda path: PurePosixPath(path).suffix.lower() in PICTURE_SUFFIXES).astype(bool)


def headers_of(
    exams: pd.DataFrame, root: Path, *, threads: int = 8, progress: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """A row a file: the fields of `Header` and ``reason``, why a header cannot be read; the index is kept."""
    names = [f.name for f in fields(Header)]
    said = read_headers([root / path for path in exams["path"]], threads=threads, progress=progress)
    rows = [
        [None] * len(names) + [found]
        if isinstance(found, str)
        else [getattr(found, name) for name in names] + [None]
        for found in said
    ]
    return pd.DataFrame(rows, index=exams.index, columns=[*names, "reason"], dtype=object)


def contradictions(exams: pd.DataFrame, headers: pd.DataFrame, root: Path) -> pd.DataFrame:
    """``image_id, path, reason, kind`` of what preparation refuses for its header; the index is the exam table's.

    ``kind`` is a key of `REFUSED`; the first that fits.
    """
    told = exams.loc[headers.index]
    found = told[["image_id", "path"]].assign(reason=pd.NA, kind=pd.NA)
    both = _standard(headers["view"]) & _standard(told["view"])
    for name, which in (
        ("view", both & (headers["view"] != told["view"])),
        ("laterality", headers["laterality"].notna() & (headers["laterality"] != told["laterality"])),
    ):
        said = headers[name].astype("string")
        found.loc[which, "reason"] = f"{name} tag " + said[which] + ", table says " + told.loc[which, name]
        found.loc[which, "kind"] = name
    unread = headers["reason"].notna()
    prefixes = told.loc[unread, "path"].map(lambda path: f"{root / path}: ")
    found.loc[unread, "reason"] = [
        text.removeprefix(before) for text, before in zip(headers.loc[unread, "reason"], prefixes)
    ]
    found.loc[unread, "kind"] = "unread"
    return found[found["reason"].notna()]


def _standard(views: pd.Series) -> pd.Series:
    return views.isin(STANDARD_VIEWS).astype(bool)


def header_checks(
    exams: pd.DataFrame, headers: pd.DataFrame, bad: pd.DataFrame, max_bad: float
) -> list[Check]:
    """What headers say against the table and against each other.

    Parameters
    ----------
    bad : DataFrame
        As `contradictions` finds it.
    """
    of, told = len(headers), exams.loc[headers.index]
    found = []
    for kind, (what, todo) in REFUSED.items():
        rows = bad[bad["kind"] == kind]
        if len(rows):
            examples = some(rows["path"] + ": " + rows["reason"])
            said, level = f"{of_all(len(rows), of, 'files')} {what}", harm(len(rows), of, max_bad)
            what_then = f"{todo}; bad_images.csv lists them, and preparation leaves them out"
            found.append(Check("headers", level, said, len(rows), examples, what_then))
    if not len(bad):
        found.append(
            Check("headers", GOOD, f"no header of {of:,} contradicts the table's laterality or view")
        )
    return found + _kinds(told, headers) + _identities(told, headers) + _sizes(told, headers)


def _kinds(told: pd.DataFrame, headers: pd.DataFrame) -> list[Check]:
    found = []
    others = headers["kind"].notna() & (headers["kind"] != MAMMOGRAM)
    for kind, rows in told[others].groupby(headers.loc[others, "kind"]):
        what = f"{of_all(len(rows), len(told), 'files')} are no plain mammogram by their header, but: {kind}"
        todo = "see whether they should be used; the reader keeps apart only what its tables name"
        found.append(Check("headers", WARN, what, len(rows), some(rows["path"]), todo))
    return found


def _identities(told: pd.DataFrame, headers: pd.DataFrame) -> list[Check]:
    """Identifiers of headers are compared and counted, never shown."""
    found = []
    uids = headers["sop_instance_uid"].dropna()
    twice = uids[uids.duplicated(keep=False)]
    if len(twice):
        what = f"{len(twice):,} files share their SOP Instance UID with another one"
        examples = some(
            " = ".join(told.loc[i, "path"].iloc[:3]) for i in twice.groupby(twice).groups.values()
        )
        found.append(
            Check("headers", WARN, what, len(twice), examples, "see whether one is a copy of the other")
        )
    known = headers["patient_id"].fillna("").astype(str).str.strip() != ""
    tags, patients = headers.loc[known, "patient_id"].astype(str), told.loc[known, "patient_id"]
    if tags.nunique() > 1:
        shared = int((patients.groupby(tags).nunique() > 1).sum())
        split = int((tags.groupby(patients).nunique() > 1).sum())
        if shared:
            what = f"{of_all(shared, tags.nunique(), 'patients')} by the headers are two or more in the table"
            todo = "if headers are right, one woman may be on both sides of a split"
            found.append(Check("headers", WARN, what, shared, todo=todo))
        if split:
            what = f"{of_all(split, patients.nunique(), 'patients')} of the table are two or more by their headers"
            found.append(Check("headers", WARN, what, split, todo="see whether the table mixes patients up"))
    return found


def _sizes(told: pd.DataFrame, headers: pd.DataFrame) -> list[Check]:
    rows, columns = (
        pd.to_numeric(headers[name], errors="coerce").astype("Float64") for name in ("rows", "columns")
    )
    other = ((rows != told["image_height"]) | (columns != told["image_width"])).fillna(False).astype(bool)
    if not other.any():
        return []
    what = f"{of_all(int(other.sum()), len(told), 'files')} have another height or width than the table says"
    todo = "their boxes are scaled; look at the sheet to see that they fit"
    return [Check("headers", WARN, what, int(other.sum()), some(told.loc[other, "path"]), todo)]


def tally_headers(headers: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Title to number of files by value, the commonest first."""
    found = {}
    read = headers[headers["reason"].isna()]
    for name, title in TALLIED.items():
        values = read[name].fillna("").astype(str).replace("", "not said").value_counts()
        found[title] = {value: int(count) for value, count in values.head(MOST_VALUES).items()}
    return found
