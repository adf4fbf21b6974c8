"""Fine-tuning to risk: a method's image side is trained on together with the additive-hazard layer.

It trains and chooses on training women alone; protocol ``risk`` judges what comes of it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from mvmlm.data.breast_batches import BreastData
from mvmlm.data.splits import has_standard_view
from mvmlm.evaluation.fine_tuning.exam_network import SIDES, ExamNetwork
from mvmlm.evaluation.fine_tuning.parts import parts
from mvmlm.evaluation.fine_tuning.train import FineTuneOptions, Trainings, choices, started
from mvmlm.evaluation.protocols import as_options
from mvmlm.evaluation.risk.cohort import granted_exams
from mvmlm.evaluation.risk.hazard import starting_intercepts
from mvmlm.evaluation.risk.options import RiskOptions
from mvmlm.evaluation.risk.survival import FollowUp
from mvmlm.evaluation.risk.targets import targets
from mvmlm.evaluation.risk.tuned import TunedLayer
from mvmlm.features import image_features
from mvmlm.methods import Method

if TYPE_CHECKING:
    from mvmlm.data.image_store import ImageStore

VIEWS = ("cc", "mlo")


class ExamData(BreastData):
    """The exams that a training reads: a row has the views of both breasts."""

    columns: ClassVar[tuple[str, ...]] = tuple(f"{side}_{view}" for side in SIDES for view in VIEWS)


@dataclass(frozen=True, eq=False)
class RiskTuned:
    """What a fine-tuning to risk gives.

    Attributes
    ----------
    features : ndarray, shape (n_images, D), float32
        Of every image of the store, as the layer reads them.
    tuned : TunedLayer
    details : dict
        As `fine_tuning.train.FineTuned.details`, parts in exams.
    """

    features: np.ndarray
    tuned: TunedLayer
    details: dict[str, Any]


def fine_tune_to_risk(
    method: Method,
    store: ImageStore,
    breasts: pd.DataFrame,
    *,
    fraction: float,
    seed: int,
    work_dir: Path,
    options: FineTuneOptions | Mapping[str, Any] | None = None,
    risk: RiskOptions | Mapping[str, Any] | None = None,
    representation: str = "embedding",
    workers: int = 0,
    on_epoch: Callable[[dict], None] | None = None,
    device: str = "auto",
) -> RiskTuned:
    """Train encoder and layer on the exams that the fraction grants, once a learning rate; encode all images.

    Patients and their order follow from ``seed`` and the data alone: equal for all arms. Learning rate and epoch are
    those with the lowest log loss on the validation women, weighted as ``mask`` says; test images are read after that,
    test outcomes never. Parameters are those of `fine_tuning.train.fine_tune`; a batch has ``batch_size`` exams.

    Parameters
    ----------
    risk : RiskOptions or mapping, optional
        ``fuse, exclude_months, years, mask`` are read.

    Raises
    ------
    DataError
        If the set has no follow-up, or too little of it among the granted women.
    TrainingError
        When no learning rate can be trained.
    """
    options, risk = as_options(FineTuneOptions, options), as_options(RiskOptions, risk)
    granted = granted_exams(
        breasts,
        has_standard_view(breasts),
        exclude_months=risk.exclude_months,
        years=risk.years,
        fraction=fraction,
        seed=seed,
    )
    said = _weighed(granted, risk)
    training, validation = parts(granted.assign(label=granted["event"]), options.val_share, seed)
    intercepts = starting_intercepts(_follow(training), risk.years)
    made = ExamNetwork.Options(copy.deepcopy(method).cpu(), intercepts, representation, risk.fuse)
    start, trained = started(ExamNetwork, made, store, seed)
    views = exam_views(breasts)
    best, runs = Trainings(
        start,
        _data(store, training, views, said),
        _data(store, validation, views, said) if len(validation) else None,
        options,
        seed,
        Path(work_dir),
        workers,
        on_epoch,
        device,
    ).best()
    return RiskTuned(
        image_features(best, store, np.arange(len(store)), device=device),
        TunedLayer(best.layer(), tuple(sorted(validation["patient_id"].astype(str).unique()))),
        {
            **choices(start, trained, runs, validated=bool(len(validation))),
            "parts": {"train": _counts(training), "validation": _counts(validation)},
        },
    )


def exam_views(breasts: pd.DataFrame) -> pd.DataFrame:
    """Rows of the store by exam: `ExamData.columns`, −1 where a view is missing; index ``exam_id``."""
    table = breasts.set_index(breasts["exam_id"].astype(str))
    sides = {side: table[(table["laterality"] == side).to_numpy(dtype=bool, na_value=False)] for side in SIDES}
    found = {f"{side}_{view}": rows[view] for side, rows in sides.items() for view in VIEWS}
    return pd.DataFrame(found).fillna(-1).astype(np.int64)


def _weighed(exams: pd.DataFrame, risk: RiskOptions) -> pd.DataFrame:
    """`targets` of exams, and their weights: index ``exam_id``, columns (what, year); one censoring curve for all."""
    said = targets(_follow(exams), risk.years, risk.mask)
    return pd.concat([pd.DataFrame(part, exams.index) for part in said], axis=1, keys=["target", "weight"])


def _data(store: ImageStore, exams: pd.DataFrame, views: pd.DataFrame, said: pd.DataFrame) -> ExamData:
    """Exams with their labels, shape (n, 2, years); the weights of an exam are 1 in the mean over all."""
    mine = said.loc[exams.index]
    weight = mine["weight"].to_numpy()
    labels = np.stack([mine["target"].to_numpy(), weight * (len(weight) / weight.sum())], axis=1)
    rows = views.loc[exams.index].assign(patient_id=exams["patient_id"])
    return ExamData(store, rows, labels=labels)


def _follow(exams: pd.DataFrame) -> FollowUp:
    return FollowUp(exams["years"].to_numpy(), exams["event"].to_numpy())


def _counts(exams: pd.DataFrame) -> dict[str, int]:
    """Size of a part, in exams and patients, and how many of them had an event."""
    event = exams["event"].to_numpy(bool)
    return {
        "exams": len(exams),
        "patients": int(exams["patient_id"].nunique()),
        "positive": int(event.sum()),
        "positive_patients": int(exams.loc[event, "patient_id"].nunique()),
    }
