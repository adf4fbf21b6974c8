"""What is predicted: a task names a column of the breast table and the level at which it is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvmlm.errors import ConfigError, DataError
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
        ``binary`` or ``multiclass``; or ``report``, where there is no label: what is looked for is a breast's report.
    levels : tuple of str
        Levels to judge at, from ``level`` upwards; the table's metric names one of them.
    rule : str
        How scores and labels climb from one level to the next, one of `levels.RULES`.
    classes : tuple
        Values of the column in their order, of a multiclass task.
    says : callable
        Breast table to what a caption must say of the labels' origin; empty where there is nothing to say.
    """

    name: str
    column: str
    description: str
    level: str = "breast"
    kind: str = "binary"
    levels: tuple[str, ...] = ("breast", "patient")
    rule: str = "finding"
    classes: tuple = ()
    says: Callable[[pd.DataFrame], str] = no_note

    def __post_init__(self) -> None:
        if bool(self.classes) != (self.kind == "multiclass"):
            given = f"is {self.kind} and has {len(self.classes)} classes"
            raise ConfigError(f"task {self.name} {given}: give both or neither")

    @property
    def class_names(self) -> tuple[str, ...]:
        """Labels 0, 1 … in words: ``negative`` and ``positive``, or the classes; none where there are no labels."""
        return ("negative", "positive") if self.kind == "binary" else tuple(map(str, self.classes))

    @property
    def dtype(self) -> str:
        """Of labels that are known: ``bool``, or ``int8`` of a multiclass task."""
        return "int8" if self.classes else "bool"

    def labels(self, breasts: pd.DataFrame) -> pd.Series:
        """The label of each breast: nullable boolean, or of a multiclass task the class index, Int8.

        A value that is none of the classes is unknown.

        Raises
        ------
        DataError
            If the table lacks the column, or no breast has a label.
        """
        if self.column not in breasts or breasts[self.column].isna().all():
            raise DataError(f"task {self.name}: no breast of this data set has the label {self.column!r}")
        if not self.classes:
            return breasts[self.column].astype("boolean")
        found = breasts[self.column].map({name: index for index, name in enumerate(self.classes)}).astype("Int8")
        if found.isna().all():
            wanted = ", ".join(map(str, self.classes))
            raise DataError(f"task {self.name}: no breast of this data set has a {self.column} of {wanted}")
        return found

    def names(self, labels: Iterable[int]) -> str:
        """Labels for people: ``negatives``, ``class D``, ``classes A, B``."""
        found = sorted(set(labels))
        if not self.classes:
            return " and ".join("positives" if label else "negatives" for label in found)
        return f"class{'es' if len(found) > 1 else ''} {', '.join(str(self.classes[label]) for label in found)}"

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


def density_origin(breasts: pd.DataFrame) -> str:
    """Whose category it is."""
    return "density: the category, A to D, that the data set gives with the exam; no measurement"


def assessment_origin(breasts: pd.DataFrame) -> str:
    """Whose category it is, and how many breasts have one that is no degree of suspicion."""
    others = int(breasts["birads"].isin((0, 6)).sum())
    left_out = f"; 0 (incomplete) and 6 (known cancer) are no degree of suspicion: {others} left out" if others else ""
    return f"birads: the radiologist's assessment, 1 to 5, and not what became of it{left_out}"


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
TASKS.register("density")(
    Task(
        "density",
        "density",
        "breast density, A to D",
        kind="multiclass",
        rule="density",
        classes=("A", "B", "C", "D"),
        says=density_origin,
    )
)
TASKS.register("birads")(
    Task(
        "birads",
        "birads",
        "the radiologist's assessment, BI-RADS 1 to 5",
        kind="multiclass",
        rule="assessment",
        classes=(1, 2, 3, 4, 5),
        says=assessment_origin,
    )
)
TASKS.register("report")(
    Task("report", "", "a breast's report among all test reports, and the reverse", kind="report", levels=("breast",))
)
TASKS.register("risk")(
    Task("risk", "event", "cancer in the years after an exam", level="exam", kind="risk", levels=("exam",))
)
