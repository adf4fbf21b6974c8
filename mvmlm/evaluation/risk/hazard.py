"""The additive-hazard layer of Mirai: risk that can only rise with the years; and its fit to frozen features.

Yala et al., «Toward robust mammography-based models for breast cancer risk», Science Translational Medicine 13(578),
2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mvmlm.evaluation.risk.survival import FollowUp, kaplan_meier
from mvmlm.evaluation.risk.targets import targets

#: A fit is done when a step lowers the loss by less than this share of it. At the kink of a ReLU the gradient never
#: vanishes; 1e-12 took up to 15 times as long, and found losses that were lower by 4e-4 of themselves at most.
TOLERANCE = 1e-8
#: Least hazard that a fit starts from: at 0 its gradient would be 0 too.
LEAST = 1e-2


@dataclass(frozen=True, eq=False)
class HazardLayer:
    """logit P(event within k years) = base + hazard_1 + … + hazard_k; base linear, each hazard a ReLU of a linear form.

    Attributes
    ----------
    weights : ndarray, shape (D, 1 + years)
        Of the base and of each year's hazard.
    intercepts : ndarray, shape (1 + years,)
    """

    weights: np.ndarray
    intercepts: np.ndarray

    def risks(self, features: np.ndarray) -> np.ndarray:
        """P(event within 1, 2, … years), shape (n, years), float64."""
        from scipy.special import expit

        return expit(_logits(np.asarray(features, np.float64) @ self.weights + self.intercepts))


def fit_hazard(
    features: np.ndarray, follow: FollowUp, strengths: Sequence[float], *, years: int, mask: str
) -> list[HazardLayer]:
    """Minimise ``weighted mean log loss + λ/2 · ‖weights‖²`` for each strength λ, each from the one before it.

    The loss of ReLUs has more than one valley, so the start matters and is no matter of chance: weights of 0 and
    intercepts that give everybody the Kaplan–Meier risk. L-BFGS on all rows, float64.

    Parameters
    ----------
    features : array, shape (n, D)
        Standardised.
    strengths : sequence of float
        From the strongest.
    mask : str
        As `targets.targets`.
    """
    from scipy.optimize import minimize

    said = targets(follow, years, mask)
    basis = None
    if len(features) < features.shape[1]:  # the solution is a combination of the rows
        basis, _ = np.linalg.qr(features.T)
        features = features @ basis
    point = np.concatenate([np.zeros(features.shape[1] * (1 + years)), starting_intercepts(follow, years)])
    layers = []
    for strength in strengths:
        loss = partial(_loss, features=features, said=said, strength=strength)
        settings = {"maxiter": 2000, "maxfun": 4000, "gtol": 1e-6, "ftol": TOLERANCE}
        point = minimize(loss, point, jac=True, method="L-BFGS-B", options=settings).x
        weights, intercepts = _unpack(point, features.shape[1])
        layers.append(HazardLayer(weights if basis is None else basis @ weights, intercepts))
    return layers


def _logits(forms: np.ndarray) -> np.ndarray:
    """From the linear forms, shape (n, 1 + years), to the logits of each year, shape (n, years)."""
    return forms[:, :1] + np.cumsum(np.maximum(forms[:, 1:], 0), axis=1)


def starting_intercepts(follow: FollowUp, years: int) -> np.ndarray:
    """Intercepts that give everybody the Kaplan–Meier risk of each year, shape (1 + years,)."""
    from scipy.special import logit

    least = 0.5 / len(follow)
    logits = logit(np.clip(1 - kaplan_meier(follow).at(np.arange(1, years + 1)), least, 1 - least))
    hazards = np.maximum(np.diff(logits, prepend=logits[0]), LEAST)
    return np.concatenate([[logits[0] - hazards[0]], hazards])


def _unpack(point: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    outputs = len(point) // (width + 1)
    return point[: width * outputs].reshape(width, outputs), point[width * outputs :]


def _loss(
    point: np.ndarray, features: np.ndarray, said: tuple[np.ndarray, np.ndarray], strength: float
) -> tuple[float, np.ndarray]:
    """Loss and gradient."""
    from scipy.special import expit

    (target, weight), total = said, said[1].sum()
    weights, intercepts = _unpack(point, features.shape[1])
    forms = features @ weights + intercepts
    logits = _logits(forms)
    losses = np.logaddexp(0, logits) - target * logits
    slopes = weight * (expit(logits) - target) / total
    into_hazards = np.cumsum(slopes[:, ::-1], axis=1)[:, ::-1] * (forms[:, 1:] > 0)
    into = np.column_stack([slopes.sum(axis=1), into_hazards])
    gradient = np.concatenate([(features.T @ into + strength * weights).ravel(), into.sum(axis=0)])
    return float((weight * losses).sum() / total + 0.5 * strength * (weights**2).sum()), gradient
