"""Three things that are called «the C-index»; here each has its own name.

``c_harrell``
    Of all pairs in which one is known to outlast the other's event, the share in which the latter has the higher
    score. What it tends to depends on who is censored when: an early end of follow-up hides late events.
``c_uno``
    The same, each pair weighted by the inverse squared probability of being followed so long, for events before ``tau``
    (Uno et al., «On the C-statistics for evaluating overall adequacy of risk prediction procedures with censored
    survival data», Statistics in Medicine 30(10), 2011). What it tends to does not depend on the censoring.
``c_mirai_compat``
    What the code around Mirai computes, and calls Uno's: the weights come from a Kaplan–Meier fit to the cancers in
    place of the ends of follow-up, and are taken at the later of the two times. Where cancer is rare they are close to
    1, and censoring stays uncorrected. It is here so that published numbers can be set beside ours.
"""

from __future__ import annotations

import numpy as np

from mvmlm.errors import DataError
from mvmlm.evaluation.risk.pairs import Pairs, checked_scores, share_right, weighted_share_right
from mvmlm.evaluation.risk.survival import Curve, FollowUp, kaplan_meier


def c_harrell(follow: FollowUp, scores: np.ndarray) -> float:
    """Harrell's concordance index.

    Two events at one time are not compared; an event and the end of a follow-up at one time are. Pairs of exams of one
    woman count as any other.

    Parameters
    ----------
    follow : FollowUp, n rows
    scores : array, shape (n,)
        Higher means earlier.

    Raises
    ------
    DataError
        If a score is NaN or no two rows can be compared.
    """
    return share_right(_harrell(follow, scores), "c_harrell")


def weighted_c_harrell(follow: FollowUp, scores: np.ndarray, clusters: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """`c_harrell` of every bootstrap draw, shape (B,), float64; see `pairs.weighted_share_right`."""
    return weighted_share_right(_harrell(follow, scores), clusters, counts)


def c_uno(follow: FollowUp, scores: np.ndarray, censoring: Curve, tau: float) -> float:
    """Uno's concordance index.

    Parameters
    ----------
    follow : FollowUp, n rows
    scores : array, shape (n,)
        Higher means earlier.
    censoring : Curve
        Of the training rows (`survival.censoring_curve`), read just before each event: an event is seen if the
        follow-up lasts at least so long.
    tau : float
        Events before this time lead pairs [years].

    Raises
    ------
    DataError
        As `c_harrell`, and if an event lies beyond all follow-up of the training rows.
    """
    return share_right(_uno(follow, scores, censoring, tau), f"c_uno (tau {tau:g} years)")


def weighted_c_uno(
    follow: FollowUp, scores: np.ndarray, censoring: Curve, tau: float, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """`c_uno` of every bootstrap draw, shape (B,), float64. The censoring curve is that of the training rows in all."""
    return weighted_share_right(_uno(follow, scores, censoring, tau), clusters, counts)


def c_mirai_compat(follow: FollowUp, risks: np.ndarray, train: FollowUp) -> float:
    """The concordance index of the code around Mirai.

    Time is the whole year that an event falls in (0 for the first), at most the last; without an event within the
    years, the last full year of follow-up. Exams with less than one year of it have no place in that code and are left
    out. Two exams are compared by their risks up to the later one's year.

    Parameters
    ----------
    follow : FollowUp, n rows
    risks : array, shape (n, Y)
        Risk of an event within 1 to Y years.
    train : FollowUp
        Training rows, whose cancer-free curve gives the weights.

    Raises
    ------
    DataError
        As `c_harrell`, and if no training row is without an event in some year.
    """
    return share_right(_mirai(follow, risks, train), "c_mirai_compat")


def weighted_c_mirai_compat(
    follow: FollowUp, risks: np.ndarray, train: FollowUp, clusters: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """`c_mirai_compat` of every bootstrap draw, shape (B,), float64."""
    return weighted_share_right(_mirai(follow, risks, train), clusters, counts)


def whole_years(follow: FollowUp, years: int) -> tuple[np.ndarray, np.ndarray]:
    """Mirai's discrete time of each row, and whether it is an event; shape (n,), int and bool.

    0 is the first year, ``years − 1`` the last; −1 is less than a year without an event. An event after the last
    year is none.
    """
    events, whole = follow.events & (follow.years < years), np.floor(follow.years)
    return np.where(events, whole, np.minimum(whole, years) - 1).astype(int), events


def inverse_followed(censoring: Curve, years: np.ndarray) -> np.ndarray:
    """One over the share still followed just before each time.

    Raises
    ------
    DataError
        Where nobody is.
    """
    share = censoring.before(years)
    beyond = np.asarray(years)[share <= 0]
    if len(beyond):
        raise DataError(
            f"{len(beyond)} times (such as {beyond[0]:.2f} years) lie beyond all follow-up of the training rows, so "
            "that they have no weight: take fewer years"
        )
    return 1.0 / share


def _harrell(follow: FollowUp, scores: np.ndarray) -> list[Pairs]:
    leads = np.flatnonzero(follow.events)
    return [_led(follow, checked_scores(scores, len(follow)), leads, np.ones(len(leads)))]


def _uno(follow: FollowUp, scores: np.ndarray, censoring: Curve, tau: float) -> list[Pairs]:
    leads = np.flatnonzero(follow.events & (follow.years < tau))
    weights = inverse_followed(censoring, follow.years[leads]) ** 2
    return [_led(follow, checked_scores(scores, len(follow)), leads, weights)]


def _led(follow: FollowUp, scores: np.ndarray, leads: np.ndarray, weights: np.ndarray) -> Pairs:
    ranks = follow.ranks()
    return Pairs(leads, np.arange(len(follow)), ranks[leads], ranks, scores[leads], scores, weights)


def _mirai(follow: FollowUp, risks: np.ndarray, train: FollowUp) -> list[Pairs]:
    """A term for each year that the later of two rows can have."""
    risks = checked_scores(risks, len(follow))
    index, events = whole_years(follow, risks.shape[1])
    train_index, train_events = whole_years(train, risks.shape[1])
    used = train_index >= 0
    free = kaplan_meier(FollowUp(train_index[used], train_events[used]))
    ranks = 2 * index + ~events
    leads = np.flatnonzero(events)
    terms = []
    for year in range(risks.shape[1]):
        others = np.flatnonzero(index == year)
        if not len(others):
            continue
        if not free.at(year) > 0:
            raise DataError(f"c_mirai_compat: no training row is without an event in year {year + 1}")
        weights = np.full(len(leads), float(free.at(year)) ** -2)
        scores = risks[:, year]
        terms.append(Pairs(leads, others, ranks[leads], ranks[others], scores[leads], scores[others], weights))
    return terms
