"""Many logistic regressions on the same rows at once: the folds and strengths of a probe, by Newton's method.

Each problem has rows of its own that it is fitted to, a strength λ of its own, and the objective

    mean log loss of its rows + λ/2 · ‖w‖²

with a free intercept; of classes, the log loss is the softmax's, and each has its weights. All problems move together,
so that one product with the features serves them all.

A step comes from conjugate gradients in single precision, along the principal axes of the features, where the curvature
of the loss is nearly diagonal and so easily undone. Gradients and losses are in double precision and decide whether a
step is taken and when to stop: rounding changes the way to the optimum, not the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from mvmlm.errors import DataError

#: Norm of the gradient of the objective at which a problem is done, where its strength is `WEAK` or more. Weights are
#: off by no more than that norm over λ: under a weaker penalty, the norm has to be smaller by as much.
TOLERANCE, WEAK = 1e-6, 1e-4
#: Newton steps, conjugate gradients and halvings of a step, at most; a dozen, two dozen and one are usual.
MOST_STEPS, MOST_TURNS, MOST_HALVINGS = 200, 500, 40
#: Share of the gradient that conjugate gradients may leave; less of it as the optimum comes near.
LEFT_OVER = 0.25
#: Intercept of a class that no row of a problem is of: its probability is zero, and nothing moves it.
NEVER = -1e4
#: Numbers of one array of logits, at most: with more rows, fewer problems are solved at once.
BLOCK = 2**24
TINY = np.float32(1e-30)
#: Curvature along a step, relative to the preconditioner's, that single precision can tell from none.
ROUNDING = np.float32(1e-6)


@dataclass(frozen=True, eq=False)
class Design:
    """Features, ready to be fitted to.

    Attributes
    ----------
    exact : ndarray, shape (n, D + 1), float64
        The features and a column of ones.
    turned : ndarray, shape (n, D + 1), float32
        The same along the principal axes.
    axes : ndarray, shape (D + 1, D + 1), float32
        Turns a gradient onto the axes (``axes.T @ g``), and a step back.
    spread : ndarray, shape (D + 1,), float32
        Mean square along each axis.
    """

    exact: np.ndarray
    turned: np.ndarray
    axes: np.ndarray
    spread: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Design:
        """Of features (n, D), float64, each of mean zero."""
        rows, width = features.shape
        exact = np.ones((rows, width + 1))
        exact[:, :width] = features
        squares, axes = np.linalg.eigh(features.T @ features)
        whole = np.eye(width + 1, dtype=np.float32)
        whole[:width, :width] = axes
        spread = np.append(np.maximum(squares, 0) / rows, 1).astype(np.float32)
        return cls(exact, exact.astype(np.float32) @ whole, whole, spread)


def minimise(
    design: Design, labels: np.ndarray, used: np.ndarray, strengths: np.ndarray, *, classes: int = 0
) -> np.ndarray:
    """Weights of every problem at its optimum.

    Parameters
    ----------
    labels : array, shape (n,)
        Bool; or class indices, with ``classes`` given.
    used : array, shape (n, J), bool
        Which rows each of the J problems is fitted to: of both labels, or of two classes or more.
    strengths : array, shape (J,)
        λ of each problem, above 0.
    classes : int
        Number of classes; 0 for labels that are true or false.

    Returns
    -------
    ndarray, shape (C, D + 1, J), float64
        C is 1, or the number of classes; the last row is the intercepts. The intercept of a class that no used row is
        of is `NEVER`.

    Raises
    ------
    DataError
        If the rows of a problem are of one label, or a problem does not come to an end.
    """
    link = Softmax(labels, classes) if classes else Sigmoid(labels)
    _require_two_labels(labels, used)
    found = link.start(used, design.exact.shape[1])
    at_once = max(1, BLOCK // (len(found) * len(labels)))
    for first in range(0, len(strengths), at_once):
        some = slice(first, first + at_once)
        share = used[:, some] / used[:, some].sum(axis=0)
        found[..., some] = _newton(design, link, share, np.asarray(strengths[some], np.float64), found[..., some])
    return found


def _require_two_labels(labels: np.ndarray, used: np.ndarray) -> None:
    there = np.stack([used[labels == label].any(axis=0) for label in np.unique(labels)]).sum(axis=0)
    if (there < 2).any():
        raise DataError(
            f"{(there < 2).sum()} of {used.shape[1]} logistic regressions have rows of one label only: nothing can be "
            "told apart; give rows of two"
        )


class Sigmoid:
    """Labels that are true or false, with one logit a row; arrays have shape (1, n, J)."""

    def __init__(self, labels: np.ndarray) -> None:
        self.target = np.asarray(labels, np.float64)[None, :, None]
        self.sign = 2 * self.target - 1

    def start(self, used: np.ndarray, width: int) -> np.ndarray:
        """Zeros, and the logit of the share of true labels as intercept."""
        weights = np.zeros((1, width, used.shape[1]))
        share = (self.target[0] * used).sum(axis=0) / used.sum(axis=0)
        weights[0, -1] = np.log(share / (1 - share))
        return weights

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        from scipy.special import expit

        return expit(logits)

    def loss(self, logits: np.ndarray) -> np.ndarray:
        """Log loss of each row, shape (n, J)."""
        right = self.sign * logits
        return (np.log1p(np.exp(-np.abs(right))) - np.minimum(right, 0))[0]

    def bent(self, likely: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """How the probabilities change where the logits move by ``moved``."""
        return likely * (1 - likely) * moved

    def mean_curvature(self, likely: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Mean of the rows' second derivatives of the loss in the logits, shape (1, 1, J)."""
        return (likely * (1 - likely) * share).sum(axis=1, keepdims=True)


class Softmax:
    """Class indices, with a logit a class; arrays have shape (C, n, J)."""

    def __init__(self, labels: np.ndarray, classes: int) -> None:
        self.target = (np.asarray(labels) == np.arange(classes)[:, None]).astype(np.float64)[..., None]

    def start(self, used: np.ndarray, width: int) -> np.ndarray:
        """Zeros, and the logarithm of each class's share as intercept; `NEVER` of one that is not there."""
        weights = np.zeros((len(self.target), width, used.shape[1]))
        share = (self.target * used).sum(axis=1) / used.sum(axis=0)
        weights[:, -1] = np.where(share > 0, np.log(np.maximum(share, TINY)), NEVER)
        return weights

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        likely = np.exp(logits - logits.max(axis=0))
        return likely / likely.sum(axis=0)

    def loss(self, logits: np.ndarray) -> np.ndarray:
        """Log loss of each row, shape (n, J)."""
        highest = logits.max(axis=0)
        return np.log(np.exp(logits - highest).sum(axis=0)) + highest - (self.target * logits).sum(axis=0)

    def bent(self, likely: np.ndarray, moved: np.ndarray) -> np.ndarray:
        """How the probabilities change where the logits move by ``moved``."""
        bent = likely * moved
        return bent - likely * bent.sum(axis=0)

    def mean_curvature(self, likely: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Mean of the rows' second derivatives of the loss in the logits, shape (C, C, J)."""
        weighed = likely * share
        mean = -np.stack([(one * likely).sum(axis=1) for one in weighed])
        same = np.arange(len(mean))
        mean[same, same] += weighed.sum(axis=1)
        return mean


@dataclass(frozen=True, eq=False)
class _Problems:
    """Those that are not done yet: the last axis of every array.

    ``place`` is where each stands among all; ``share`` (n, J) what each row weighs.
    """

    place: np.ndarray
    weights: np.ndarray
    logits: np.ndarray
    share: np.ndarray
    penalty: np.ndarray
    loss: np.ndarray

    def those(self, which: np.ndarray) -> _Problems:
        return self if which.all() else _Problems(*(getattr(self, f.name)[..., which] for f in fields(self)))


def _newton(
    design: Design, link: Sigmoid | Softmax, share: np.ndarray, strengths: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Weights (C, D + 1, J) at the optimum of each problem, from some to begin with."""
    found = weights.copy()
    penalty = np.tile(strengths, (design.exact.shape[1], 1))
    penalty[-1] = 0
    logits = design.exact @ weights
    loss = _objective(link, logits, share, penalty, weights)
    problems = _Problems(np.arange(len(strengths)), weights, logits, share, penalty, loss)
    for _ in range(MOST_STEPS):
        likely = link.probabilities(problems.logits)
        gradient = design.exact.T @ ((likely - link.target) * problems.share) + problems.penalty * problems.weights
        size = np.sqrt((gradient**2).sum(axis=(0, 1)))
        found[..., problems.place] = problems.weights
        going = ~(size <= _tolerance(problems))
        if not going.any():
            return found
        problems, likely, gradient = problems.those(going), likely[..., going], gradient[..., going]
        step = _direction(design, link, problems, likely, gradient, size[going])
        problems = _moved(design, link, problems, step, (gradient * step).sum(axis=(0, 1)))
    weakest = problems.penalty[0].min()
    raise DataError(
        f"{len(problems.place)} of {len(strengths)} logistic regressions did not settle within {MOST_STEPS} steps (the "
        f"weakest penalty among them is {weakest:g}): leave such strengths out, and features that are a million times "
        "larger than others"
    )


def _tolerance(problems: _Problems) -> np.ndarray:
    """Norm of the gradient at which each problem is done, shape (J,)."""
    return TOLERANCE * np.minimum(1, problems.penalty[0] / WEAK)


def _objective(
    link: Sigmoid | Softmax, logits: np.ndarray, share: np.ndarray, penalty: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Of each problem, shape (J,)."""
    return (share * link.loss(logits)).sum(axis=0) + (penalty * weights**2).sum(axis=(0, 1)) / 2


def _direction(
    design: Design,
    link: Sigmoid | Softmax,
    problems: _Problems,
    likely: np.ndarray,
    gradient: np.ndarray,
    size: np.ndarray,
) -> np.ndarray:
    """An approximate Newton step of each problem, shape (C, D + 1, J): the closer to the optimum, the better."""
    goal = np.maximum(size * np.minimum(LEFT_OVER, np.sqrt(size)), 0.3 * _tolerance(problems))
    likely, share, penalty = (a.astype(np.float32) for a in (likely, problems.share, problems.penalty))
    mixes, scale = _preconditioner(design, link.mean_curvature(likely, share), penalty)
    rest = -(design.axes.T @ gradient.astype(np.float32))
    step = np.zeros_like(rest)
    along = _eased(rest, mixes, scale)
    slope = extent = (rest * along).sum(axis=(0, 1))
    left = np.arange(len(goal))
    for turn in range(MOST_TURNS):
        bent = link.bent(likely, design.turned @ along) * share
        bent = design.turned.T @ bent + penalty * along
        steepness = (along * bent).sum(axis=(0, 1))
        # A direction that is bent by no more than rounding is not followed, but for the gradient itself.
        sound = steepness > ROUNDING * extent
        length = np.where(sound, slope / np.where(sound, steepness, 1), turn == 0).astype(np.float32)
        step[..., left] += length * along
        rest = rest - length * bent
        eased = _eased(rest, mixes, scale)
        before, slope = slope, (rest * eased).sum(axis=(0, 1))
        # Without a slope, what is left is rounding along what bends nothing.
        going = sound & (np.sqrt((rest**2).sum(axis=(0, 1))) > goal[left]) & (slope > 0)
        if not going.all():
            left = left[going]
            if not len(left):
                break
            likely, share, penalty, mixes, scale, rest, eased, along, before, slope, extent = (
                a[..., going] for a in (likely, share, penalty, mixes, scale, rest, eased, along, before, slope, extent)
            )
        along = eased + slope / before * along
        extent = slope + (slope / before) ** 2 * extent
    return (design.axes @ step).astype(np.float64)


def _preconditioner(design: Design, curvature: np.ndarray, penalty: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mixes of classes (C, C, J) in which the mean curvature of the loss is diagonal, and what to divide each by.

    What it leaves out is that rows far out along an axis may be bent more, or less, than others.
    """
    values, mixes = np.linalg.eigh(np.moveaxis(curvature, -1, 0))
    least = np.maximum(1e-5 * values[:, -1:], TINY)
    scale = design.spread[:, None] * np.maximum(values, least).T[:, None] + penalty
    # One number more in all logits bends nothing, and no penalty holds an intercept: what is not bent stays.
    scale[:, -1][(values < least).T] = np.inf
    return np.moveaxis(mixes, 0, -1), scale


def _eased(rest: np.ndarray, mixes: np.ndarray, scale: np.ndarray) -> np.ndarray:
    return np.einsum("abj,bdj->adj", mixes, np.einsum("abj,adj->bdj", mixes, rest) / scale)


def _moved(
    design: Design, link: Sigmoid | Softmax, problems: _Problems, step: np.ndarray, slope: np.ndarray
) -> _Problems:
    """The problems a step on, each halved until the objective falls as a part of its slope says."""
    change = design.exact @ step
    length = np.ones(len(slope))
    for _ in range(MOST_HALVINGS):
        weights, logits = problems.weights + length * step, problems.logits + length * change
        loss = _objective(link, logits, problems.share, problems.penalty, weights)
        # Near the optimum the fall is below the rounding of the loss.
        short = loss > problems.loss + 1e-4 * length * slope + 1e-12 * np.abs(problems.loss)
        if not short.any():
            break
        length[short] /= 2
    return replace(problems, weights=weights, logits=logits, loss=loss)
