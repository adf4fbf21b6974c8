"""One entry of a comparison table: the seeds of one grid point, averaged, and nothing hidden."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.wording import DASH, SIGNS, listed, measure_value, number, plain
from mvmlm.errors import DataError

if TYPE_CHECKING:
    from harness.stats.delong import Components
    from harness.stats.difference import Difference
    from harness.stats.family import Refusal

LEVEL = 95
"""Nominal level of every interval [%]."""

COUNTS = ("n", "n_patients", "n_positive", "prevalence", "n_train")


@dataclass(frozen=True)
class CellRef:
    """A cell behind an entry.

    Attributes
    ----------
    status : str
        ``done``, or one of :data:`harness.wording.SIGNS`; ``undefined`` where the metric is not finite.
    counts : dict
        Those of :data:`COUNTS` that are known: the size of the test set, and of the training set (patients).
    draws : ndarray, shape (B,), or None
        Bootstrap draws of the metric.
    measures : dict
        What the stages that it stands on say of themselves: ``<stage>/<name>`` to a number. No test metric is there.
    components : callable, or None
        Gives what DeLong's test needs of an AUC, or None; it is asked only where that test is made.
    shared : dict
        What cells must have in common to be compared: the names of `harness.stats.family.SHARED` to what tells equal
        from unequal.
    """

    seed: Any
    key: str | None
    run_id: str | None
    status: str
    error: str | None = None
    value: float | None = None
    counts: dict[str, float] = field(default_factory=dict)
    draws: np.ndarray | None = field(default=None, compare=False, repr=False)
    measures: dict[str, float] = field(default_factory=dict)
    components: Callable[[], Components | None] | None = field(default=None, compare=False, repr=False)
    shared: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Contrast:
    """An entry against the reference of its column.

    Attributes
    ----------
    reference : str
        The reference's row, in words.
    difference : Difference or None
        None where it was refused.
    p : float or None
        Adjusted within the family; None where there is none.
    mark : str
        ``†``, ``‡`` or ''.
    refusals : tuple of Refusal
        Why there is no difference.
    family : int
        Comparisons in its family.
    verdict : str or None
        ``superior``, ``non-inferior``, ``not shown`` or ``inferior``, where a margin was given.
    """

    reference: str
    difference: Difference | None
    p: float | None
    mark: str
    refusals: tuple[Refusal, ...] = ()
    family: int = 1
    verdict: str | None = None


@dataclass(frozen=True)
class Fact:
    """A measure of one row, over all its cells that have it.

    Attributes
    ----------
    name : str
        ``<stage>/<name>``.
    cells : int
        How many have it; none leaves the numbers None.
    """

    name: str
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    cells: int = 0

    @property
    def text(self) -> str:
        """As printed: the mean, a range where its cells differ, a dash where nothing is known."""
        return measure_value(self.name, self.low, self.mean, self.high) if self.cells else DASH

    @property
    def is_range(self) -> bool:
        """Whether its cells differ by more than rounding."""
        return self.cells > 0 and self.text != measure_value(self.name, self.mean, self.mean, self.mean)


@dataclass(frozen=True)
class Entry:
    """A number of the table, with everything that it rests on.

    Attributes
    ----------
    cells : tuple of CellRef
        In the order of the seeds; empty where the grid has no such point.
    mean, sd : float or None
        Over the seeds that are done; ``sd`` is the sample standard deviation, None below two seeds.
    low, high : float or None
        2.5th and 97.5th percentile of ``draws``.
    draws : ndarray, shape (B,), or None
        Bootstrap draws of the mean over seeds, those that are defined.
    reasons : tuple of str
        What a reader has to know: seeds without a result and why, why there is no interval.
    footnotes : tuple of str
        Letters of the table's footnotes.
    best : bool
        Best mean of its column, which is the lowest of a metric of errors.
    contrast : Contrast or None
        Against the reference; None for the reference itself, and where there is none.
    tied : bool or None
        Whether it cannot be told from the best of its column; None where they could not be compared.
    digits : int
        Decimals that it is shown with.
    quoted : str or None
        A number of the literature, as it was printed, '' where the source has none; None for an entry of ours. It has
        no cells and takes part in no mean, mark or test.
    quoted_interval : str
        As it was printed; '' where there is none.
    """

    cells: tuple[CellRef, ...] = ()
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    draws: np.ndarray | None = field(default=None, compare=False, repr=False)
    reasons: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = ()
    best: bool = False
    contrast: Contrast | None = None
    tied: bool | None = False
    digits: int = 3
    quoted: str | None = None
    quoted_interval: str = ""

    @cached_property
    def done(self) -> tuple[CellRef, ...]:
        """The cells that the mean is over."""
        return tuple(c for c in self.cells if c.status == "done")

    @property
    def status(self) -> str:
        """``done``, ``partial``, ``absent``, or the status that most of its cells have."""
        if not self.cells:
            return "absent"
        if self.done:
            return "done" if len(self.done) == len(self.cells) else "partial"
        counts = Counter(c.status for c in self.cells)
        return max(counts, key=lambda status: (counts[status], status))

    @property
    def sign(self) -> str:
        """What stands in place of a number: ``failed``; several signs where the seeds ended differently."""
        signs = sorted({SIGNS[c.status][0] for c in self.cells if c.status != "absent"})
        return "/".join(signs) or SIGNS["absent"][0]

    @property
    def share(self) -> str:
        """``2/3`` where only 2 of 3 seeds have a result, else empty."""
        return f"{len(self.done)}/{len(self.cells)}" if self.status == "partial" else ""

    def shown(self, name: str) -> str:
        """``mean``, ``sd``, ``low`` or ``high`` as printed."""
        return number(getattr(self, name), self.digits)

    @property
    def mark(self) -> str:
        """``†`` or ``‡`` where it differs from the reference, else empty."""
        return self.contrast.mark if self.contrast else ""

    def count(self, name: str) -> tuple[float, ...]:
        """Distinct values of one of :data:`COUNTS` over the seeds that are done."""
        return tuple(sorted({c.counts[name] for c in self.done if name in c.counts}))


def cell_refs(frame: pd.DataFrame, metric: str) -> list[CellRef]:
    """The rows of a frame of cells as :class:`CellRef`, in their order."""
    size = len(frame)

    def column(name: str) -> list:
        return frame[name].tolist() if name in frame else [None] * size

    counts = {name: column(name) for name in COUNTS if name in frame}
    known = ("seed", "key", "run_id", "status", "error", metric, "draws", "measures", "components", "shared")
    columns = (column(name) for name in known)
    refs = []
    for i, row in enumerate(zip(*columns)):
        seed, key, run_id, status, error, value, draws, measures, components, shared = row
        finite = _finite(value)
        is_done = status == "done"
        refs.append(
            CellRef(
                seed=plain(seed),
                key=_text(key),
                run_id=_text(run_id),
                status="undefined" if is_done and finite is None else status,
                error=_text(error),
                value=finite if is_done else None,
                counts={k: v for k, values in counts.items() if (v := _finite(values[i])) is not None},
                draws=_draws(draws),
                measures=_measures(measures),
                components=components,
                shared=shared if isinstance(shared, dict) else {},
            )
        )
    return refs


def make_entry(cells: Sequence[CellRef], seeds: Sequence[Any], digits: int = 3) -> Entry:
    """Average the seeds of one grid point.

    Parameters
    ----------
    cells : sequence of CellRef
        At most one a seed.
    seeds : sequence
        The seeds that the table is planned with; one without a cell counts as ``absent``.
    digits : int
        Decimals that it is to be shown with.
    """
    found = {c.seed: c for c in cells}
    refs = tuple(found.get(s) or CellRef(s, None, None, "absent") for s in seeds)
    done = [c for c in refs if c.status == "done"]
    reasons = _lost(refs)
    if not done:
        told = any(c.error for c in refs)
        return Entry(refs, reasons=reasons if told else ())
    values = np.array([c.value for c in done])
    draws, refused = _mean_draws(done)
    ends = [50 - LEVEL / 2, 50 + LEVEL / 2]
    low, high = (None, None) if draws is None else np.percentile(draws, ends).tolist()
    return Entry(
        cells=refs,
        mean=float(values.mean()),
        sd=float(values.std(ddof=1)) if len(done) > 1 else None,
        low=low,
        high=high,
        draws=draws,
        reasons=reasons + ((refused,) if refused else ()),
        digits=digits,
    )


def make_fact(name: str, entries: Sequence[Entry]) -> Fact:
    """A measure over the cells of a row; a cell that stands in several columns counts once."""
    cells = {id(cell): cell for entry in entries for cell in entry.done}
    values = [cell.measures[name] for cell in cells.values() if name in cell.measures]
    if not values:
        return Fact(name)
    return Fact(name, mean=math.fsum(values) / len(values), low=min(values), high=max(values), cells=len(values))


def with_reason(entry: Entry, cells: Sequence[CellRef], why: str) -> Entry:
    """The entry with something to know of some of its cells, which are named where it does not hold for all."""
    if not cells:
        return entry
    whose = f"{_seeds([cell.seed for cell in cells])}: " if len(cells) < len(entry.done) else ""
    return replace(entry, reasons=(*entry.reasons, f"{whose}{why}"))


def _lost(refs: Sequence[CellRef]) -> tuple[str, ...]:
    """One line for each way in which seeds came to have no result."""
    groups: dict[tuple[str, str | None], list] = {}
    for cell in refs:
        if cell.status != "done":
            groups.setdefault((cell.status, cell.error), []).append(cell.seed)
    lines = []
    for (status, error), seeds in groups.items():
        who = f"{_seeds(seeds)}: " if len(refs) > 1 else ""
        said = "failed" if status == "failed" else SIGNS[status][1]
        lines.append(f"{who}{said}{f' ({error})' if error else ''}")
    return tuple(lines)


def _mean_draws(done: Sequence[CellRef]) -> tuple[np.ndarray | None, str]:
    """Draws of the mean over seeds that are defined, and how many are not; or None and why there are none."""
    from harness.stats.difference import defined

    without = [c.seed for c in done if c.draws is None]
    if without:
        whose = f" of {_seeds(without)}" if len(without) < len(done) else ""
        return None, f"no interval: the bootstrap draws{whose} are missing or cannot be read"
    sizes = sorted({len(c.draws) for c in done})
    if len(sizes) > 1:
        return None, f"no interval: the seeds have different numbers of bootstrap draws ({listed(sizes)})"
    for name in ("n", "n_patients", "n_positive"):
        differing = sorted({c.counts[name] for c in done if name in c.counts})
        if len(differing) > 1:
            return None, f"no interval: the seeds have different test sets ({name} = {listed(differing)})"
    draws = np.mean([c.draws for c in done], axis=0, dtype=np.float64)
    if np.isfinite(draws).all():
        return draws, ""
    try:
        kept, note = defined(draws)
    except DataError as error:
        return None, f"no interval: {str(error).partition(':')[0]}"
    return kept, f"interval: {note}"


def _seeds(seeds: Sequence[Any]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {listed(seeds)}"


def _finite(value: Any) -> float | None:
    value = plain(value)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _measures(value: Any) -> dict[str, float]:
    said = value if isinstance(value, dict) else {}
    finite = {name: _finite(v) for name, v in said.items() if not isinstance(v, bool)}
    return {name: v for name, v in finite.items() if v is not None}


def _text(value: Any) -> str | None:
    value = plain(value)
    return " ".join(str(value).split()) or None if value is not None else None


def _draws(value: Any) -> np.ndarray | None:
    if value is None or np.ndim(value) != 1 or not len(value):
        return None
    return np.asarray(value)
