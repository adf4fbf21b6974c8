"""What a trial is scored by: a linear probe, fitted to the training part and read on the validation part."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mvmlm.errors import DataError, MvmlmError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mvmlm.data.image_store import ImageStore
    from mvmlm.methods import Method


class DivergedError(MvmlmError):
    """A trial's features are not finite."""


@dataclass(frozen=True, eq=False)
class Judge:
    """Scores methods on validation patients.

    Attributes
    ----------
    breasts : DataFrame
        Training and validation breasts with a usable standard view: ``part``, ``patient_id``, ``cc``, ``mlo``, and a
        column a task.
    tasks : list of str
        Tasks that both parts have both classes of.
    notes : list of str
        Tasks that were left out, and why.
    """

    store: ImageStore
    breasts: pd.DataFrame
    tasks: list[str]
    notes: list[str]
    representation: str
    seed: int

    @classmethod
    def open(cls, images: Path, config: dict) -> Judge:
        """For a search's slice of the settings, on a published image store.

        Raises
        ------
        DataError
            When no task has both classes in both parts.
        """
        from harness.stages.training_run import training_breasts
        from mvmlm.data.image_store import ImageStore, stored_breasts
        from mvmlm.data.splits import has_standard_view

        said = config["search"]
        breasts = training_breasts(stored_breasts(images), config)
        breasts = breasts[has_standard_view(breasts)].sort_index(kind="stable")
        lacking = {task: why for task in said["tasks"] if (why := _lacking(breasts, task))}
        tasks = [task for task in said["tasks"] if task not in lacking]
        if not tasks:
            reasons = "; ".join(f"{task}: {why}" for task, why in lacking.items())
            raise DataError(
                f"a search cannot score its trials ({reasons}); raise data.val_fraction or search.val_fraction, or "
                "name other search.tasks"
            )
        notes = [f"search: trials were scored without {task}: {why}" for task, why in lacking.items()]
        return cls(ImageStore.open(images), breasts, tasks, notes, said["representation"], said["seed"])

    def score(self, method: Method) -> float:
        """Mean over the tasks of the AUC per validation breast (of classes the macro AUC); the mode stays as it was.

        Raises
        ------
        DivergedError
            When features are not finite.
        """
        was = method.training
        features = self._features(method)
        method.train(was)
        return float(sum(self._auc(features, task) for task in self.tasks) / len(self.tasks))

    def _features(self, method: Method) -> np.ndarray:
        """Shape (breasts, D): the mean over a breast's views, as the stages ``features`` and ``evaluate`` take it."""
        import numpy as np

        from harness.stages.scoring_run import breast_features
        from mvmlm.features import image_features

        views = self.breasts[["cc", "mlo"]].to_numpy()
        rows = np.unique(views[views >= 0])
        found = image_features(method, self.store, rows, representation=self.representation)
        if not np.isfinite(found).all():
            raise DivergedError("features are not finite: the encoder diverged")
        place = np.where(views >= 0, np.searchsorted(rows, views), -1)
        return breast_features(found, self.breasts.assign(cc=place[:, 0], mlo=place[:, 1]))

    def _auc(self, features: np.ndarray, task: str) -> float:
        from mvmlm.evaluation.logistic import ProbeOptions, fit_and_score
        from mvmlm.evaluation.metrics import auc
        from mvmlm.evaluation.multiclass import macro_auc
        from mvmlm.evaluation.tasks import TASKS

        asked = TASKS.get(task)
        label = asked.labels(self.breasts)
        known = label.notna().to_numpy()
        table = self.breasts.assign(label=label)[known].astype({"label": asked.dtype})
        features = features[known]
        fitted = (table["part"] == "train").to_numpy()
        _, scores = fit_and_score(
            features[fitted], table[fitted], features[~fitted], ProbeOptions(), self.seed, len(asked.classes)
        )
        return (macro_auc if asked.classes else auc)(table["label"].to_numpy()[~fitted], scores)


def _lacking(breasts: pd.DataFrame, task: str) -> str:
    """Why a task cannot be scored; empty where it can."""
    from mvmlm.evaluation.tasks import TASKS

    try:
        label = TASKS.get(task).labels(breasts)
    except DataError as error:
        return str(error)
    for part, name in (("train", "training"), ("val", "validation")):
        known = label[(breasts["part"] == part) & label.notna()]
        if known.nunique() < 2:
            return f"the {name} part holds {len(known)} labelled breasts" + (" of one class" if len(known) else "")
    return ""
