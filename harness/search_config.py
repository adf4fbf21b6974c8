"""The ``search`` section: whether, where and how long an arm's settings are searched for before it is trained."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class SearchConfig(BaseModel):
    """Optuna's search, by arm: every arm gets the same number of trials, and is compared with itself alone.

    ``space`` maps dotted paths under ``train``, ``loss`` and ``method`` to a list of choices or to a range
    ``{low, high, log, step}``; :mod:`harness.search_space` says what is wrong in it. A path that an axis sets cannot be
    searched as well. Whatever share of the labels a cell is granted, its search scores on the labels of all training
    and validation patients. All defaults are ours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    trials: int = Field(0, ge=0, description="trainings of an arm that look for its settings; 0: no search")
    space: dict[str, Any] = Field(default_factory=dict, description="what is searched: path to choices or a range")
    sampler: Literal["tpe", "random"] = Field("tpe", description="how the next trial's settings are chosen")
    pruner: Literal["median", "none"] = Field(
        "median", description="median: a trial below the median of the arm's whole trials ends early"
    )
    startup: int = Field(4, ge=1, description="trials drawn at random and not pruned, to begin with")
    every: int = Field(0, ge=0, description="epochs between looks at the validation part; 0: a third of the epochs")
    val_fraction: float | None = Field(
        None, gt=0, lt=1, description="share of training patients that trials are scored on; none: data.val_fraction"
    )
    tasks: list[str] = Field(
        default=["mass", "calcification"],
        min_length=1,
        description="a trial's score is the mean over these of a linear probe's AUC; of a method that is trained on "
        "labels, that of its own task",
    )
    seed: int = Field(0, ge=0, description="of what is sampled and of the trials' trainings")
