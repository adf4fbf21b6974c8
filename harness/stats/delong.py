"""DeLong's test of two AUCs on the same patients, several rows a patient.

DeLong, DeLong and Clarke-Pearson (Biometrics 44, 1988) write the AUC as a mean of structural components: for a
positive row the share of the negatives that it beats, for a negative row the share of the positives that beat it.
Obuchowski (Biometrics 53, 1997) sums them by patient, since the rows of one patient are not independent, and adds
the covariance of a patient's positive rows with her negative ones. The sums of two arms are all that a comparison
needs, and the variance of their difference is that of the difference of their sums.

With 45 positive patients of four views each and equal models, a nominal 5 % rejects 5 to 6 % in simulation; taken for
patients, the views reject 10 to 23 % (`tests/harness/stats/test_simulations.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.stats.difference import Difference, normal
from mvmlm.errors import DataError
from mvmlm.evaluation.metrics import auc
from mvmlm.evaluation.npy import read_array

TEST = "DeLong's test, clustered by patient"


@dataclass(frozen=True, eq=False)
class Components:
    """Structural components of one AUC, summed by patient.

    Attributes
    ----------
    patients : ndarray, shape (P,), str
        Sorted.
    sums : ndarray, shape (P, 2), float64
        Of her positive rows, and of her negative ones.
    counts : ndarray, shape (P, 2), int64
        How many rows those are.
    """

    patients: np.ndarray
    sums: np.ndarray
    counts: np.ndarray

    @property
    def auc(self) -> float:
        """The AUC that the components are of."""
        return float(self.sums[:, 0].sum() / self.counts[:, 0].sum())


def components(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray) -> Components:
    """Structural components from midranks: no pair of rows is looked at.

    Parameters
    ----------
    labels : array, shape (n,), bool or 0/1
    scores : array, shape (n,)
        Any order-preserving scale.
    patients : array, shape (n,)

    Raises
    ------
    DataError
        If a score is NaN or only one class is there.
    """
    from scipy.stats import rankdata  # slow to import, and a table does not need it

    auc(labels, scores)  # refuses what has none
    positive, scores = np.asarray(labels).astype(bool), np.asarray(scores, dtype=np.float64)
    ids, row = np.unique(np.asarray(patients).astype(str), return_inverse=True)
    ranks, classes = rankdata(scores), (positive, ~positive)
    beaten = [ranks[own] - rankdata(scores[own]) for own in classes]  # of the other class, a tie counting one half
    shares = beaten[0] / (~positive).sum(), 1 - beaten[1] / positive.sum()
    return Components(
        patients=ids,
        sums=np.stack([np.bincount(row[own], share, len(ids)) for own, share in zip(classes, shares)], axis=1),
        counts=np.stack([np.bincount(row[own], minlength=len(ids)) for own in classes], axis=1),
    )


def write_components(path: Path, level: str, found: Components) -> None:
    """Write components of an AUC at a level as one array that is read at once."""
    first = f"patient@{level}"
    fields = np.empty(len(found.patients), [(first, found.patients.dtype), ("sums", "f8", 2), ("counts", "i8", 2)])
    fields[first], fields["sums"], fields["counts"] = found.patients, found.sums, found.counts
    np.save(path, fields)


def read_components(path: Path) -> tuple[str, Components]:
    """Level and components that `write_components` wrote."""
    fields = read_array(path)
    first = fields.dtype.names[0]
    return first.partition("@")[2], Components(fields[first], fields["sums"], fields["counts"])


def compare(
    arm: Components | Sequence[Components], reference: Components | Sequence[Components], *, level: float = 0.95
) -> Difference:
    """Difference of two AUCs, or of their means over seeds, on the same test patients.

    Over seeds it speaks of these checkpoints on other patients; `harness.stats.two_way` also asks what other seeds
    would have given.

    Parameters
    ----------
    arm, reference : Components, or a sequence with one a seed
    level : float
        Coverage of the interval, in (0, 1).

    Raises
    ------
    DataError
        If the test sets differ, or fewer than two patients have a positive row, or a negative one.
    """
    arms, references = ([side] if isinstance(side, Components) else list(side) for side in (arm, reference))
    if not arms or not references:
        raise DataError("no AUC to compare on one side: name at least one cell for the arm and one for its reference")
    first = arms[0]
    for other in (*arms[1:], *references):
        _check_same(first, other)
    sums = np.mean([c.sums for c in arms], axis=0) - np.mean([c.sums for c in references], axis=0)
    return _judge(sums, first.counts, level)


def _judge(sums: np.ndarray, counts: np.ndarray, level: float) -> Difference:
    rows, holders = counts.sum(axis=0), (counts > 0).sum(axis=0)
    if holders.min() < 2:
        raise DataError(
            f"{holders[0]} patients with a positive row and {holders[1]} with a negative one: "
            "a variance between patients needs two of each"
        )
    delta = float(sums[:, 0].sum() / rows[0])
    off = (sums - counts * delta) / rows
    own = holders / (holders - 1) * (off**2).sum(axis=0)
    cross = len(counts) / (len(counts) - 1) * (off[:, 0] * off[:, 1]).sum()
    se = float(np.sqrt(max(own.sum() + 2 * cross, 0)))
    return normal(delta, se, level=level, test=TEST)


def _check_same(one: Components, two: Components) -> None:
    if not np.array_equal(one.patients, two.patients):
        strange = np.setxor1d(one.patients, two.patients)
        raise DataError(
            f"the arms were tested on different patients: {len(strange)} are in one test set only, such as {strange[0]}"
        )
    other = (one.counts != two.counts).any(axis=1)
    if other.any():
        raise DataError(
            f"the arms were tested with different labels: {other.sum()} patients differ in their positive or negative "
            f"rows, such as {one.patients[other][0]}"
        )
