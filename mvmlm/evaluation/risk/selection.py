"""Strength of a penalty, chosen on held-out training patients by what they think of the probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mvmlm.data.splits import patient_folds
from mvmlm.errors import DataError
from mvmlm.evaluation.logistic import DEFAULT_STRENGTH
from mvmlm.evaluation.risk.options import RiskOptions
from mvmlm.evaluation.risk.survival import FollowUp
from mvmlm.evaluation.risk.targets import log_loss, targets


class RiskModel(Protocol):
    """A fitted model."""

    def risks(self, features: np.ndarray) -> np.ndarray:
        """P(event within 1, 2, … years), shape (n, years), float64; rising along a row."""


@dataclass(frozen=True)
class Fitter:
    """How a kind of model is fitted to features (n, D) and follow-up.

    Attributes
    ----------
    path : callable
        A model for each strength, from the strongest; what folds compare.
    final : callable
        The model at the strength that was chosen; None where it cannot be fitted.
    """

    path: Callable[[np.ndarray, FollowUp, Sequence[float]], Sequence[RiskModel]]
    final: Callable[[np.ndarray, FollowUp, float], RiskModel | None]


@dataclass(frozen=True, eq=False)
class Choice:
    """A model, and how its strength was chosen.

    Attributes
    ----------
    chosen_by : str
        ``cross-validation``; ``validation`` where one set of patients was held out; ``given`` where there was one
        candidate; ``default`` where there are too few patients with or without an event.
    cv_loss : dict
        Strength to log loss on who was held out, the mean over folds; empty where nothing was chosen.
    """

    model: RiskModel
    strength: float
    chosen_by: str
    cv_loss: dict[float, float]
    folds: int

    def details(self) -> dict:
        """What a reader of the results wants to know, as plain JSON."""
        return {
            "strength": self.strength,
            "strength_chosen_by": self.chosen_by,
            "cv_loss": {f"{s:g}": value for s, value in self.cv_loss.items()},
            "folds": self.folds,
        }


def choose_and_fit(
    fitter: Fitter,
    features: np.ndarray,
    follow: FollowUp,
    patients: np.ndarray,
    options: RiskOptions,
    mask: str,
    seed: int,
    held: np.ndarray | None = None,
) -> Choice:
    """Fit on all rows at the strength with the lowest held-out log loss; equal losses go to the stronger.

    The log loss looks at the probabilities, not only at their order, and is steadier than a concordance where events
    are few.

    Parameters
    ----------
    features : array, shape (n, D)
        Of training rows.
    patients : array, shape (n,)
    mask : str
        Of `targets.targets`, by which folds are judged.
    seed : int
        Draws the folds.
    held : ndarray, shape (n,), bool, optional
        Rows that choose, in place of folds.

    Raises
    ------
    DataError
        If no fit is found at the chosen strength.
    """
    if len(options.strengths) == 1:
        judges = []
    elif held is None:
        judges = _folds(follow, patients, options, seed)
    else:
        judges = [held] if held.any() else []
    losses, folds = _judge(fitter, features, follow, options, mask, judges)
    if len(options.strengths) == 1:
        strength, chosen_by = options.strengths[0], "given"
    elif not losses:
        strength, chosen_by = DEFAULT_STRENGTH, "default"
    else:
        strength = min(losses, key=losses.__getitem__)
        chosen_by = "cross-validation" if held is None else "validation"
    model = fitter.final(features, follow, strength)
    if model is None:
        raise DataError(f"model {options.model} does not converge at strength {strength:g}: add larger eval.strengths")
    return Choice(model, strength, chosen_by, losses, folds)


def _folds(follow: FollowUp, patients: np.ndarray, options: RiskOptions, seed: int) -> list[np.ndarray]:
    """Rows of each fold, bool (n,); none where there are too few patients to choose by."""
    with_event = len(np.unique(patients[follow.events]))
    folds = min(options.folds, with_event, len(np.unique(patients)) - with_event)
    if folds < 2:
        return []
    fold = patient_folds(patients, follow.events, folds, seed)
    return [fold == number for number in range(folds)]


def _judge(
    fitter: Fitter,
    features: np.ndarray,
    follow: FollowUp,
    options: RiskOptions,
    mask: str,
    judges: Sequence[np.ndarray],
) -> tuple[dict[float, float], int]:
    """Mean loss of each strength on rows that were held out, and how many such sets said something."""
    if not judges:
        return {}, 0
    said = targets(follow, options.years, mask)
    losses = np.full((len(judges), len(options.strengths)), np.nan)
    for number, held in enumerate(judges):
        held_said = said[0][held], said[1][held]
        if not held_said[1].any():
            continue
        models = fitter.path(features[~held], follow.take(~held), options.strengths)
        losses[number] = [log_loss(model.risks(features[held]), held_said) for model in models]
    judged = ~np.isnan(losses).all(axis=1)
    if not judged.any():
        return {}, 0
    return dict(zip(options.strengths, losses[judged].mean(axis=0).tolist(), strict=True)), int(judged.sum())
