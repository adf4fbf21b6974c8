"""What an exam table holds, counted, and held against what its publication counts."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from mvmlm.data.counts import GRADED, UNITS
from mvmlm.data.exam_table import LABELS, REQUIRED, SCHEMA

SPLITS = ("train", "test")
BINARY = (*LABELS, "implant", "event")


@dataclass(frozen=True)
class Count:
    """One number of the exam table beside the published one.

    Attributes
    ----------
    here : int or None
        None where no row of this table says anything of it.
    published : int or None
        None where the publication does not count it.
    """

    name: str
    here: int | None
    published: int | None

    @property
    def differs(self) -> bool:
        """Whether both are known and are not the same."""
        return None not in (self.here, self.published) and self.here != self.published

    @property
    def equal(self) -> bool:
        """Whether both are known and are the same."""
        return self.here is not None and self.here == self.published

    @property
    def difference(self) -> str:
        """``+12 (0.4 %)``, of the published number."""
        return f"{self.here - self.published:+,} ({100 * abs(self.here / max(1, self.published) - 1):.2g} %)"


def compare(found: dict[str, int], published: dict[str, int]) -> dict[str, dict[str, Count]]:
    """Patients, exams, breasts, images, then all that the publication counts: in all, in training and in test set.

    Parameters
    ----------
    found : dict
        As `mvmlm.data.counts.counts` returns it.

    Returns
    -------
    dict
        Quantity (``mass images``) to split (empty for all) to its count.
    """
    bare = [name.removeprefix("train ").removeprefix("test ") for name in published]
    parts = ["", *(s for s in SPLITS if any(name.startswith(f"{s} ") for name in (*found, *published)))]
    table = {}
    for quantity in dict.fromkeys([*reversed(UNITS), *bare]):
        names = {split: f"{split} {quantity}".strip() for split in parts}
        table[quantity] = {s: Count(n, _here(found, n), published.get(n)) for s, n in names.items()}
    return table


def is_graded(quantity: str) -> bool:
    """Whether a quantity counts one value of a graded column, such as ``birads 4 images``."""
    words = quantity.split(" ")
    return words[0] in GRADED and len(words) > 2


def _here(found: dict[str, int], name: str) -> int | None:
    """The count; 0 where nothing has that value, None where nothing is known of the column."""
    if name in found:
        return found[name]
    words = name.split(" ")
    column = next((word for word in words if word in BINARY or word in GRADED), None)
    if column is None:
        return 0
    return 0 if any(f"{column} " in other for other in found) else None


def positives(found: dict[str, int]) -> pd.DataFrame:
    """``label, split, unit, positive, known, units`` of every label that is known of anything."""
    rows = []
    for label in BINARY:
        for split in ("", *SPLITS):
            before = f"{split} " if split else ""
            for unit in UNITS:
                if (known := found.get(f"{before}known {label} {unit}")) is not None:
                    rows.append(
                        (label, split, unit, found[f"{before}{label} {unit}"], known, found[before + unit])
                    )
    return pd.DataFrame(rows, columns=["label", "split", "unit", "positive", "known", "units"])


def graded(exams: pd.DataFrame) -> pd.DataFrame:
    """``name, value, unit, count`` of images and breasts by each value of the graded columns."""
    rows = []
    for name in GRADED:
        if exams[name].notna().any():
            values = exams[name].astype("string").fillna("unknown")
            found = exams.groupby(values)[["image_id", "breast_id"]].nunique()
            for value, (images, breasts) in zip(found.index, found.itertuples(index=False)):
                rows += [(name, value, "images", images), (name, value, "breasts", breasts)]
    return pd.DataFrame(rows, columns=["name", "value", "unit", "count"])


def known_columns(exams: pd.DataFrame) -> pd.DataFrame:
    """``column, images, share``: of how many images each column that need not be known is known."""
    columns = [c for c in SCHEMA if c not in (*REQUIRED, "standard_view")]
    images = exams[columns].notna().sum()
    return pd.DataFrame(
        {"column": columns, "images": images.to_numpy(), "share": (images / len(exams)).to_numpy()}
    )
