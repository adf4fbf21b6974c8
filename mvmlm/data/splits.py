"""Splits: always by patient, from a hash of the patient's id, so that the order of a table never matters.

Each kind of draw hashes under a purpose of its own: with one seed for everything, the validation patients,
the patients of a label fraction and the folds are still independent of each other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Iterable

import numpy as np
import pandas as pd

from mvmlm.errors import ConfigError, DataError

#: Labels that a drawn test set is stratified by, where the table has them.
STRATIFY_BY = ("malignancy", "mass", "calcification")


def with_split(breasts: pd.DataFrame, test_fraction: float, split_seed: int) -> pd.DataFrame:
    """The table with every ``split`` known: an official split stays, a set without one gets a drawn one.

    Parameters
    ----------
    breasts : DataFrame
        With ``patient_id``, ``split`` and, for the stratification, whichever of `STRATIFY_BY` there are.
    test_fraction : float
        Share of the patients to draw for the test set; not read where the set has an official split.

    Raises
    ------
    DataError
        If only some of the rows have a split: nobody could tell which of the others were meant for the test.
    """
    known = breasts["split"].notna()
    if known.all():
        return breasts
    if known.any():
        raise DataError(
            f"split is given for {known.sum()} of {len(breasts)} breasts (missing for example for "
            f"{breasts.index[~known][0]}): give it for all of them or for none"
        )
    labels = breasts[[c for c in STRATIFY_BY if c in breasts]]
    test = split_by_patient(breasts["patient_id"], labels, test_fraction, split_seed)
    split = np.where(breasts["patient_id"].isin(test), "test", "train")
    return breasts.assign(split=pd.array(split, dtype="string"))


def split_by_patient(
    patients: Iterable[Hashable], labels: pd.DataFrame | Iterable, test_fraction: float, seed: int
) -> frozenset:
    """Test patients for a set that has no official split.

    A patient stands in the stratum of the rarest label that is positive for her, or in that of the patients
    with none. Each stratum gives its share (largest remainders), and one of two or more patients gives at
    least one to each side, so that a small set still has both classes in its test set.

    Parameters
    ----------
    patients : iterable, length n
        Patient of each row; a patient may have several.
    labels : DataFrame, shape (n, n_labels), or iterable of bool, length n
        Unknown (NA) counts as not positive.
    test_fraction : float
        Share of the patients, in (0, 1).

    Raises
    ------
    ConfigError
        If ``test_fraction`` is not inside (0, 1).
    DataError
        If there are fewer than two patients.
    """
    if not 0 < test_fraction < 1:
        raise ConfigError(f"test_fraction is {test_fraction}: it must lie between 0 and 1")
    ids = pd.Series(list(patients))
    table = labels if isinstance(labels, pd.DataFrame) else pd.DataFrame({"label": list(labels)})
    positive = table.reset_index(drop=True).astype("boolean").fillna(False).groupby(ids.to_numpy()).any()
    if ids.nunique() < 2:
        raise DataError(f"cannot draw a test set by patient from {ids.nunique()} patient(s): two are needed")
    stratum = pd.Series(-1, index=pd.unique(ids))
    for number, column in enumerate(positive.sum().sort_values(ascending=False, kind="stable").index):
        stratum[positive.index[positive[column]]] = number
    strata = [list(members.index) for _, members in stratum.groupby(stratum)]
    take = _apportion(np.array([len(s) for s in strata]), test_fraction)
    return frozenset(p for s, n in zip(strata, take, strict=True) for p in _shuffled(s, seed, "test")[:n])


def carve_validation(patients: Iterable[Hashable], fraction: float, seed: int) -> frozenset:
    """Validation patients out of the training patients.

    Parameters
    ----------
    patients : iterable
        Training patients; repeats are ignored.
    fraction : float
        Share of the patients, in [0, 1). Above 0, at least one patient is carved and at least one left.

    Raises
    ------
    ConfigError
        If ``fraction`` is outside [0, 1).
    """
    if not 0 <= fraction < 1:
        raise ConfigError(f"val_fraction is {fraction}: it must be at least 0 and below 1")
    order = _shuffled(patients, seed, "validation")
    if fraction == 0 or len(order) < 2:
        return frozenset()
    return frozenset(order[: min(max(_round(fraction * len(order)), 1), len(order) - 1)])


def nested_fraction(
    patients: Iterable[Hashable], labels: Iterable[bool] | Iterable[int], fraction: float, seed: int
) -> frozenset:
    """A stratified share of the patients; for one seed, a smaller share lies inside every larger one.

    Parameters
    ----------
    patients : iterable, length n
        A patient may stand in several rows.
    labels : iterable of bool, or of class indices, length n
        They make strata of patients, as `by_label` says.
    fraction : float
        In (0, 1]. Each stratum gives its share, rounded, and never less than one patient.

    Raises
    ------
    ConfigError
        If ``fraction`` is outside (0, 1].
    """
    if not 0 < fraction <= 1:
        raise ConfigError(f"fraction is {fraction}: it must be above 0 and at most 1")
    granted: list = []
    for members in by_label(patients, labels):
        granted += _shuffled(members, seed, "fraction")[: max(1, _round(fraction * len(members)))]
    return frozenset(granted)


def label_fraction(breasts: pd.DataFrame, label: pd.Series, fraction: float, seed: int) -> frozenset:
    """Patients whose labels a fraction grants: the same for a probe, a baseline and a supervised method.

    Drawn by `nested_fraction` among the patients who have a labelled breast with a usable standard view, so
    that no part of a small fraction is spent on patients who cannot be used.

    Parameters
    ----------
    breasts : DataFrame
        Breasts of the training split, with ``patient_id`` and, where known, ``cc`` and ``mlo``.
    label : Series
        Label of each of these breasts, boolean or class index; NA is unknown.
    """
    usable = label.notna().to_numpy() & has_standard_view(breasts)
    kind = bool if pd.api.types.is_bool_dtype(label) else int
    return nested_fraction(breasts["patient_id"][usable], label[usable].astype(kind), fraction, seed)


def has_standard_view(breasts: pd.DataFrame) -> np.ndarray:
    """Which breasts have a usable CC or MLO view, shape (n_breasts,), bool; all, if the table is silent."""
    if not {"cc", "mlo"} <= set(breasts):
        return np.ones(len(breasts), dtype=bool)
    return (breasts[["cc", "mlo"]].to_numpy() >= 0).any(axis=1)


def patient_folds(
    patients: Iterable[Hashable], labels: Iterable[bool] | Iterable[int], folds: int, seed: int
) -> np.ndarray:
    """Fold of each row: grouped by patient, stratified by the patient's label, as `by_label` says.

    As scikit-learn's ``StratifiedGroupKFold``, but with a promise: each stratum is spread over the folds to within one
    patient, so that where it has ``folds`` patients or more, every fold holds some of them.

    Returns
    -------
    ndarray, shape (n_rows,), int
        Numbers from 0 to ``folds - 1``.
    """
    ids = list(patients)
    order = [p for members in by_label(ids, labels) for p in _shuffled(members, seed, "folds")]
    fold = {patient: position % folds for position, patient in enumerate(order)}
    return np.array([fold[p] for p in ids], dtype=int)


def by_label(patients: Iterable[Hashable], labels: Iterable[bool] | Iterable[int]) -> list[list]:
    """Strata of patients by their rows' labels; one that nobody is in is left out.

    Of labels that are true or false: patients with no positive row, then those with one. Of class indices: patients of
    each `rarest_class`, in the order of the classes.
    """
    ids, rows = np.asarray(list(patients), dtype=object), pd.Series(list(labels))
    stratum = rows.groupby(ids).any() if rows.dtype == bool else rarest_class(ids, rows)
    return [list(stratum.index[stratum == value]) for value in np.unique(stratum)]


def rarest_class(patients: Iterable[Hashable], labels: Iterable[int]) -> pd.Series:
    """Patient, sorted, to the class among her rows that the fewest patients have; the higher of equals."""
    has = pd.DataFrame({"patient": patients, "label": labels}).drop_duplicates()
    having = has["label"].map(has["label"].value_counts())
    rarest = has.assign(having=having, last=-has["label"]).sort_values(["having", "last"], kind="stable")
    return rarest.groupby("patient")["label"].first()


def _shuffled(patients: Iterable[Hashable], seed: int, purpose: str) -> list:
    """The distinct patients in an order that depends on seed, purpose and each one's id alone."""

    def key(patient: Hashable) -> tuple[bytes, str]:
        text = str(patient)
        return hashlib.blake2b(f"{purpose}\n{seed}\n{text}".encode(), digest_size=8).digest(), text

    return sorted(set(patients), key=key)


def _apportion(sizes: np.ndarray, fraction: float) -> np.ndarray:
    """Whole shares of each stratum by largest remainders; both sides get some where they can."""
    exact = sizes * fraction
    take = np.floor(exact).astype(int)
    total = min(max(_round(exact.sum()), 1), sizes.sum() - 1)
    take[np.argsort(take - exact, kind="stable")[: max(total - take.sum(), 0)]] += 1
    return np.where(sizes > 1, np.clip(take, 1, np.maximum(sizes - 1, 1)), take)


def _round(value: float) -> int:
    """Half rounds up: never down for a larger fraction, as rounding half to even could."""
    return math.floor(value + 0.5)
