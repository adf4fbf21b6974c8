"""What each exam tells of each year: the target of P(event within k years), and what it weighs."""

from __future__ import annotations

import numpy as np

from mvmlm.evaluation.risk.concordance import inverse_followed, whole_years
from mvmlm.evaluation.risk.survival import FollowUp, censoring_curve


def targets(follow: FollowUp, years: int, mask: str) -> tuple[np.ndarray, np.ndarray]:
    """Target and weight of each exam in each year.

    ``ipcw``
        An exam counts in every year for which its state is known, and weighs the inverse probability of being followed
        so long. The weighted log loss is then smallest at P(event within k years), whatever the censoring.
    ``mirai``
        As Mirai's code has it: an exam with an event counts up to the year of the event and not after, one without as
        many years as it is followed in full, and each weighs 1. Year k then compares the events of that one year
        with those free of one, and what is learnt is no cumulative risk: Mirai calibrates it afterwards.

    Returns
    -------
    (targets, weights) : tuple of ndarray, shape (n, years), float64
        Weight 0 where an exam says nothing of the year.
    """
    ends = np.arange(1, years + 1)
    if mask == "mirai":
        index, events = whole_years(follow, years)
        return (events[:, None] & (ends > index[:, None])).astype(float), (ends <= index[:, None] + 1).astype(float)
    censoring = censoring_curve(follow)
    had = np.column_stack([follow.had_event(year) for year in ends])
    free = np.column_stack([follow.free(year) for year in ends])
    weights = np.zeros(had.shape)
    rows = np.flatnonzero(had[:, -1])
    weights[rows] = had[rows] * inverse_followed(censoring, follow.years[rows])[:, None]
    for column in np.flatnonzero(free.any(axis=0)):
        weights[free[:, column], column] = inverse_followed(censoring, ends[column : column + 1])
    return had.astype(float), weights


def log_loss(risks: np.ndarray, said: tuple[np.ndarray, np.ndarray]) -> float:
    """Weighted mean log loss of risks, shape (n, years), against `targets`; risks are kept 1e-12 from 0 and 1."""
    target, weight = said
    risks = np.clip(risks, 1e-12, 1 - 1e-12)
    losses = target * np.log(risks) + (1 - target) * np.log1p(-risks)
    return float(-(weight * losses).sum() / weight.sum())
