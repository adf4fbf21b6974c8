"""The exam table: one row a view, the same columns whatever the data set; and the breast table made from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mvmlm.data.findings_place import PLACED, place_findings
from mvmlm.errors import DataError

LABELS = ("mass", "calcification", "asymmetry", "architectural_distortion", "malignancy")
DESCRIPTORS = (
    "mass_shape", "mass_margin", "mass_density", "calcification_morphology", "calcification_distribution",
)  # fmt: skip

#: Column to pandas dtype, in the table's order. Unknown is NA, never 0.
SCHEMA: dict[str, str] = {
    "dataset": "string",
    "patient_id": "string",
    "exam_id": "string",
    "breast_id": "string",
    "image_id": "string",
    "laterality": "string",
    "view": "string",
    "standard_view": "boolean",
    "path": "string",
    "split": "string",
    "age": "Float64",
    "race": "string",
    "site": "string",
    "machine": "string",
    "implant": "boolean",
    "exam_date": "string",
    "birads": "Int64",
    "density": "string",
    **dict.fromkeys(LABELS, "boolean"),
    "malignancy_source": "string",
    "subtype": "string",
    **dict.fromkeys(DESCRIPTORS, "string"),
    "report": "string",
    "boxes": "string",
    "event": "boolean",
    "years_to_event": "Float64",
    "image_height": "Int64",
    "image_width": "Int64",
    "pixel_spacing": "Float64",
    "manufacturer": "string",
}
#: Columns of which a breast has the first known value of its views.
FIRST = (
    "dataset", "patient_id", "exam_id", "laterality", "split", "age", "race", "site", "machine", "exam_date",
    "density", "malignancy_source", "subtype", "years_to_event",
)  # fmt: skip
MALIGNANT_FROM = 4
REQUIRED = ("dataset", "patient_id", "exam_id", "breast_id", "image_id", "laterality", "view", "path")
STANDARD_VIEWS = ("CC", "MLO")
VALUES = {
    "laterality": ("L", "R"),
    "split": ("train", "test"),
    "birads": tuple(range(7)),
    "density": ("A", "B", "C", "D"),
    "malignancy_source": ("pathology", "birads", "birads 6"),
}


def validate(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with all columns, in order and of the right types.

    Columns that are missing and not required are added as unknown; ``standard_view`` is worked out.

    Raises
    ------
    DataError
        One line with everything that is wrong: each problem with its count and up to three examples.
    """
    absent = [c for c in REQUIRED if c not in frame]
    if absent:
        raise DataError(f"exam table: columns are missing: {', '.join(absent)}")
    frame = frame.reset_index(drop=True)
    frame = frame.assign(standard_view=frame["view"].isin(STANDARD_VIEWS))
    columns, problems = {}, []
    for name, dtype in SCHEMA.items():
        given = frame[name] if name in frame else pd.Series(pd.NA, index=frame.index)
        try:
            columns[name] = given.astype(dtype)
        except (TypeError, ValueError):
            problems.append(f"{name}: not all values are {dtype} (such as {_examples(given)})")
            columns[name] = pd.Series(pd.NA, index=frame.index, dtype=dtype)
    table = pd.DataFrame(columns)
    problems += _problems(table)
    if problems:
        raise DataError("exam table: " + "; ".join(problems))
    return table


def _problems(table: pd.DataFrame) -> list[str]:
    found = []
    for name in REQUIRED:
        _count(found, table, table[name].isna(), f"{name} is unknown")
    _count(found, table, table["image_id"].duplicated(keep=False), "image_id is there more than once")
    for name, allowed in VALUES.items():
        bad = table[name].notna() & ~table[name].isin(allowed)
        _count(found, table, bad, f"{name} is none of {', '.join(map(str, allowed))}", name)
    _count(
        found, table, (table["age"] < 0) | (table["age"] > 120), "age is not between 0 and 120 years", "age"
    )
    splits = table.dropna(subset=["split"]).groupby("patient_id")["split"].nunique()
    both = splits.index[splits > 1]
    if len(both):
        found.append(f"{len(both)} patients are on both sides of the split (such as {', '.join(both[:3])})")
    for unit, of, what in (
        ("breast_id", "laterality", "breasts have two lateralities"),
        ("breast_id", "patient_id", "breasts have two patients"),
        ("exam_id", "patient_id", "exams have two patients"),
    ):
        members = table.groupby(unit)[of].nunique()
        mixed = members.index[members > 1]
        if len(mixed):
            found.append(f"{len(mixed)} {what} (such as {', '.join(mixed[:3])})")
    return found


def _count(found: list[str], table: pd.DataFrame, bad: pd.Series, what: str, show: str = "image_id") -> None:
    bad = bad.fillna(False).astype(bool)
    if bad.any():
        found.append(f"{what} in {int(bad.sum())} rows (such as {_examples(table.loc[bad, show])})")


def _examples(values: pd.Series) -> str:
    return ", ".join(map(str, values.dropna().unique()[:3])) or "NA"


def malignancy_of_birads(birads: pd.Series) -> pd.Series:
    """Malignancy where there is no pathology: BI-RADS 4 to 6; 0 (incomplete) is unknown, never benign.

    Parameters
    ----------
    birads : Series
        Categories 0 to 6, NA where unknown.

    Returns
    -------
    Series of nullable booleans
    """
    return (birads >= MALIGNANT_FROM).mask(birads == 0).astype("boolean")


def breast_table(exams: pd.DataFrame, kept: Sequence[int] | None = None) -> pd.DataFrame:
    """One row a breast, from an exam table.

    A label is true where it is true for any view of the breast, and unknown only where it is unknown for all:
    a finding that is boxed in one view alone is a finding of the breast.

    Parameters
    ----------
    exams : DataFrame
        As `validate` returns it. Row numbers, not index values, are what ``cc`` and ``mlo`` refer to.
    kept : sequence of int, optional
        Rows of the images that can be used; ``cc`` and ``mlo`` then are places in this list. Labels, patients and
        splits come from all rows: what a file's damage hides is still known of the breast.

    Returns
    -------
    DataFrame
        Index ``breast_id``, sorted. Columns: those of `FIRST`, ``birads`` (the highest), the labels, ``implant``,
        ``event``, descriptors, ``manufacturer, image_height, image_width, cc, mlo`` (row of the view, the first by
        ``image_id`` where there are several, −1 where there is none), ``n_views``, ``report`` (the distinct texts of
        the standard views, a line each), ``prior`` (true where the table has an exam of the patient on an earlier
        day, else unknown: no data set holds every exam that a woman had), and `PLACED`, from boxes.
    """
    places = np.arange(len(exams))
    if kept is not None:
        places = np.full(len(exams), -1)
        places[list(kept)] = np.arange(len(kept))
    exams = exams.assign(row=places).sort_values(["breast_id", "image_id"], kind="stable")
    groups = exams.groupby("breast_id", sort=True)
    breasts = groups[[*FIRST, *DESCRIPTORS, "manufacturer", "image_height", "image_width"]].first()
    breasts["birads"] = groups["birads"].max()
    for label in (*LABELS, "implant", "event"):
        breasts[label] = groups[label].max().astype("boolean")
    for view, name in (("CC", "cc"), ("MLO", "mlo")):
        rows = exams[(exams["view"] == view) & (exams["row"] >= 0)].groupby("breast_id")["row"].first()
        breasts[name] = rows.reindex(breasts.index).fillna(-1).astype("int64")
    breasts["n_views"] = groups.size().astype("int64")
    breasts["report"] = _reports(exams).reindex(breasts.index).astype("string")
    breasts["prior"] = _prior(exams).groupby(exams["breast_id"]).max().astype("boolean")
    breasts[list(PLACED)] = place_findings(exams, breasts)
    return breasts


def _reports(exams: pd.DataFrame) -> pd.Series:
    """Distinct texts of each breast's standard views, in the order of the rows."""
    texts = exams.loc[exams["standard_view"] & exams["report"].notna(), ["breast_id", "report"]]
    texts = texts.assign(report=texts["report"].str.strip()).drop_duplicates()
    return texts[texts["report"] != ""].groupby("breast_id")["report"].agg("\n".join)


def _prior(exams: pd.DataFrame) -> pd.Series:
    """True for each row of an exam before which the patient had another, else unknown."""
    day = pd.to_datetime(exams["exam_date"], format="ISO8601", errors="coerce")
    day = day.groupby(exams["exam_id"]).transform("min")
    later = day > day.groupby(exams["patient_id"]).transform("min")
    return later.astype("boolean").where(later)
