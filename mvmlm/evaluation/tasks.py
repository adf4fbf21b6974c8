"""What is predicted: a task names a column of the breast table and the level at which it is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvmlm.errors import DataError
from mvmlm.registry import Registry

if TYPE_CHECKING:
    import pandas as pd


def no_note(breasts: pd.DataFrame) -> str:
    """The label needs no explanation."""
    return ""


@dataclass(frozen=True)
class Task:
    """One thing to predict.

    Attributes
    ----------
    column : str
        Column of the breast table that holds the label; NA is unknown, and such breasts are left out.
    description : str
        One line for people.
    level : str
        Unit that is scored; it is part of every metric's name (``auc@breast``).
    kind : str
        ``binary``.
    says : callable
        Breast table to what a caption must say of the labels' origin; empty where there is nothing to say.
    """

    name: str
    column: str
    description: str
    level: str = "breast"
    kind: str = "binary"
    says: Callable[[pd.DataFrame], str] = no_note

    def labels(self, breasts: pd.DataFrame) -> pd.Series:
        """The label of each breast, nullable boolean.

        Raises
        ------
        DataError
            If the table lacks the column, or no breast has a label.
        """
        if self.column not in breasts or breasts[self.column].isna().all():
            raise DataError(f"task {self.name}: no breast of this data set has the label {self.column!r}")
        return breasts[self.column].astype("boolean")

    def note(self, breasts: pd.DataFrame) -> str:
        """What a caption must say of where these breasts' labels come from."""
        return self.says(breasts)


def malignancy_origin(breasts: pd.DataFrame) -> str:
    """Pathology, or the radiologist's BI-RADS ≥ 4 standing in for it, or how many breasts of each."""
    known = breasts[breasts["malignancy"].notna()]
    counts = known["malignancy_source"].fillna("unknown").value_counts()
    words = {
        "pathology": "pathology",
        "birads": "BI-RADS ≥ 4, which stands in for pathology",
        "birads 6": "BI-RADS 6 against 1 to 3, which stand in for pathology",
        "unknown": "a source that the data set does not name",
    }
    present = [source for source in words if source in counts]
    if len(present) == 1:
        return f"malignancy: {words[present[0]]}"
    said = [f"{words[source]} (n = {counts[source]})" for source in present]
    return f"malignancy: {'; '.join(said)}" if said else ""


TASKS: Registry[Task] = Registry("task", entry_points="mvmlm.tasks")

TASKS.register("mass")(Task("mass", "mass", "a mass in the breast"))
TASKS.register("calcification")(
    Task("calcification", "calcification", "suspicious calcification in the breast")
)
TASKS.register("malignancy")(
    Task(
        "malignancy",
        "malignancy",
        "cancer by pathology, or BI-RADS >= 4 where a data set has no pathology",
        says=malignancy_origin,
    )
)
