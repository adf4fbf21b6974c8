"""Follow-up, and the Kaplan–Meier curves of events and of censoring."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mvmlm.errors import DataError


@dataclass(frozen=True, eq=False)
class FollowUp:
    """What became of each exam.

    Attributes
    ----------
    years : ndarray, shape (n,), float64
        To the event, or to the end of the follow-up [years].
    events : ndarray, shape (n,), bool
        True for an event; false where the follow-up ended without one (censored).

    Raises
    ------
    DataError
        If a time is negative or not finite, an event is neither true nor false, or lengths differ.
    """

    years: np.ndarray
    events: np.ndarray

    def __post_init__(self) -> None:
        years, events = np.asarray(self.years, dtype=np.float64), np.asarray(self.events)
        if years.ndim != 1 or years.shape != events.shape:
            raise DataError(f"follow-up: {years.shape} times and {events.shape} events are not one of each a row")
        bad = ~np.isfinite(years) | (years < 0)
        if bad.any():
            raise DataError(
                f"follow-up: {bad.sum()} of {len(years)} times are negative or not finite (such as {years[bad][0]:g}): "
                "leave these rows out"
            )
        if not np.isin(events, (0, 1)).all():
            raise DataError("follow-up: an event is neither 0 nor 1: leave rows of unknown outcome out")
        object.__setattr__(self, "years", years)
        object.__setattr__(self, "events", events.astype(bool))

    def __len__(self) -> int:
        return len(self.years)

    def take(self, rows: np.ndarray) -> FollowUp:
        """Some of the rows, by number or by a mask."""
        return FollowUp(self.years[rows], self.events[rows])

    def had_event(self, year: float) -> np.ndarray:
        """Rows with an event within so many years, shape (n,), bool."""
        return self.events & (self.years <= year)

    def free(self, year: float) -> np.ndarray:
        """Rows known to be without an event through that year, shape (n,), bool; events come before censoring."""
        return (self.years > year) | (~self.events & (self.years == year))

    def ranks(self) -> np.ndarray:
        """Order in time, shape (n,), int; at one time events are tied, and come before censored rows."""
        _, place = np.unique(self.years, return_inverse=True)
        return 2 * place + ~self.events


@dataclass(frozen=True, eq=False)
class Curve:
    """A falling step function that starts at 1.

    Attributes
    ----------
    years : ndarray, shape (m,)
        Where it steps, rising.
    values : ndarray, shape (m,)
        Its value from that time on.
    """

    years: np.ndarray
    values: np.ndarray

    def at(self, years: np.ndarray | float) -> np.ndarray:
        """Its value at a time, the step at that time taken."""
        return self._value(years, "right")

    def before(self, years: np.ndarray | float) -> np.ndarray:
        """Its value just before a time: the share still there to have something happen to it then."""
        return self._value(years, "left")

    def _value(self, years: np.ndarray | float, side: str) -> np.ndarray:
        return np.concatenate([[1.0], self.values])[np.searchsorted(self.years, years, side)]


def kaplan_meier(follow: FollowUp) -> Curve:
    """Share without an event, by time."""
    times, deaths, _, there = _table(follow)
    steps = deaths > 0
    return Curve(times[steps], np.cumprod(1 - deaths[steps] / there[steps]))


def censoring_curve(follow: FollowUp) -> Curve:
    """Share that is still followed, by time: Kaplan–Meier with the end of follow-up as the event.

    Who has her event at a time is not at risk of being censored at that time.
    """
    times, deaths, censored, there = _table(follow)
    steps = censored > 0
    return Curve(times[steps], np.cumprod(1 - censored[steps] / (there - deaths)[steps]))


def weighted_survival(follow: FollowUp, year: float, clusters: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Kaplan–Meier at a year in every bootstrap draw.

    Parameters
    ----------
    clusters : array, shape (n,), int
        Row of ``counts`` that each row belongs to.
    counts : array, shape (n_clusters, B), integers

    Returns
    -------
    ndarray, shape (B,), float64
        NaN for a draw that holds no row.
    """
    order = np.argsort(follow.years, kind="stable")
    years, events = follow.years[order], follow.events[order]
    weights = counts[clusters[order]].astype(np.float64)
    there = np.cumsum(weights[::-1], axis=0)[::-1]
    times, first = np.unique(years, return_index=True)
    deaths = np.add.reduceat(weights * events[:, None], first, axis=0)[times <= year]
    there = there[first][times <= year]
    kept = np.where(there > 0, 1 - deaths / np.maximum(there, 1), 1.0).prod(axis=0)
    return np.where(weights.sum(axis=0) > 0, kept, np.nan)


def last_free_year(follow: FollowUp) -> int:
    """Last whole year through which some row is known to be free of an event; 0 where there is none."""
    return int(np.where(follow.events, np.ceil(follow.years) - 1, np.floor(follow.years)).max(initial=0))


def _table(follow: FollowUp) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Distinct times; events and censored rows at each; rows still there just before it."""
    times, place = np.unique(follow.years, return_inverse=True)
    deaths = np.bincount(place, follow.events, len(times))
    censored = np.bincount(place, ~follow.events, len(times))
    there = np.cumsum((deaths + censored)[::-1])[::-1]
    return times, deaths, censored, there
