"""Patient bootstrap for any kind of label."""

from __future__ import annotations

import numpy as np

from mvmlm.data.splits import rarest_class
from mvmlm.evaluation.bootstrap import PatientBootstrap

#: What patients are drawn within, by kind of task.
STRATA = {"binary": "any positive row", "multiclass": "the patient's rarest class"}


def draw_patients(patients: np.ndarray, labels: np.ndarray, *, kind: str, draws: int, seed: int) -> PatientBootstrap:
    """Draws of patients, within strata of their labels.

    For binary labels those of `PatientBootstrap.draw`. For classes a patient stands in the stratum of the rarest class
    among her rows (the one that fewest patients have; the higher of equals): so no draw is without a class that is
    there, and its share moves only with patients whose rows differ. Drawn freely, a class of three patients would be
    missing from one draw in twenty, and metrics that average over classes be undefined there.

    Parameters
    ----------
    patients, labels : array, shape (n,)
        Patient and label (0/1, or class index) of each scored row, in any order.
    kind : str
        ``binary`` or ``multiclass``.
    """
    if kind == "binary":
        return PatientBootstrap.draw(patients, labels, draws=draws, seed=seed)
    ids, stratum = patient_strata(patients, labels)
    counts = np.zeros((len(ids), draws), dtype=np.uint16)
    for number in np.unique(stratum):
        members = stratum == number
        # Each stratum draws from a stream of its own: the number stands in bits that no seed reaches.
        own = PatientBootstrap.draw(ids[members], np.zeros(members.sum()), draws=draws, seed=seed + (int(number) << 32))
        counts[members] = own.counts
    return PatientBootstrap(ids, counts)


def patient_strata(patients: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct patients (P,), sorted, and the `rarest_class` of each (P,), int."""
    stratum = rarest_class(np.asarray(patients).astype(str), np.asarray(labels))
    return stratum.index.to_numpy(dtype=str), stratum.to_numpy(dtype=np.intp)
