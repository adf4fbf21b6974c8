"""The linear probe on cached features against plain `LogisticRegressionCV`: same folds, grid and optimum. One thread.

    OMP_NUM_THREADS=1 taskset -c 0 python -m tests.benchmarks linear_probe

Both standardise the features, fit every strength on every fold of patients, choose by mean AUC and fit once more on all
rows, until the gradient is as small; how long that takes depends on how unequal the principal variances of the features
are. Here that of the k-th is k^−spectrum; embeddings of this project's demo trainings, standardised, have exponents
from 1.4 to 3.2. That the two agree is checked: the strength, the AUCs of all folds, the coefficients. Seconds are the
processor's, so that a neighbour's work is not counted.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from mvmlm.data.splits import patient_folds
from mvmlm.evaluation.logistic import LogisticFit, ProbeOptions, fit_logistic
from mvmlm.evaluation.newton import TOLERANCE

#: What the two may differ by: mean AUCs of the folds, and coefficients, as a share of the largest.
AUC_APART, COEFFICIENTS_APART = 1e-3, 5e-3


def main(options: list[str] | None = None) -> None:
    """Print the table."""
    asked = _arguments(options)
    print(f"{'rows':>7} {'width':>6} {'spectrum':>8} {'strength':>8} {'ours':>8} {'sklearn':>9} {'ratio':>6}  [CPU s]")
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        fit_logistic(*cohort(200, 8, 1.0), ProbeOptions(), 0)  # imports
        for rows in asked.rows:
            for spectrum in asked.spectrum:
                features, labels, patients = cohort(rows, asked.width, spectrum)
                mine, fit = ours(features, labels, patients, asked.repeats)
                plain, chosen, model, scores = theirs(features, labels, patients)
                require_equal(fit, chosen, model, scores)
                shown = f"{fit.strength:8g} {mine:8.2f} {plain:9.2f} {plain / mine:6.1f}"
                print(f"{rows:7,} {asked.width:6} {spectrum:8g} {shown}", flush=True)


def _arguments(options: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks linear_probe", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 5_000, 20_000])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--spectrum", type=float, nargs="+", default=[1.0, 1.5])
    parser.add_argument("--repeats", type=int, default=3, help="of ours; the fastest counts")
    return parser.parse_args(options or [])


def cohort(rows: int, width: int, spectrum: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (rows, width), float32, labels of which about a quarter are true, and patients of two rows each."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.standard_normal((width, width)))
    features = rng.standard_normal((rows, width)) * np.arange(1, width + 1) ** (-spectrum / 2) @ turn
    along = features @ (turn.T @ rng.standard_normal(width))
    labels = along / along.std() + rng.standard_normal(rows) > 1
    return features.astype(np.float32), labels, np.char.mod("p%06d", np.arange(rows) // 2)


def ours(features: np.ndarray, labels: np.ndarray, patients: np.ndarray, repeats: int) -> tuple[float, LogisticFit]:
    """Seconds of the fastest, and the fit."""
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        fit = fit_logistic(features, labels, patients, ProbeOptions(), 0)
        seconds.append(time.process_time() - started)
    return min(seconds), fit


def theirs(
    features: np.ndarray, labels: np.ndarray, patients: np.ndarray
) -> tuple[float, float, LogisticRegression, np.ndarray]:
    """Seconds, strength, the model that is fitted to all rows, and the mean AUC of each strength."""
    strengths = np.array(ProbeOptions().strengths)
    fold = patient_folds(patients, labels, ProbeOptions().folds, 0)
    folds = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(ProbeOptions().folds)]
    fitted = np.mean([len(train) for train, _ in folds])
    how = {"tol": TOLERANCE, "max_iter": 10_000}
    started = time.process_time()
    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    search = LogisticRegressionCV(Cs=1 / (strengths * fitted), cv=folds, scoring="roc_auc", refit=False, **how)
    scores = search.fit(scaled, labels).scores_[True].mean(axis=0)
    chosen = strengths[scores.argmax()]
    model = LogisticRegression(C=1 / (chosen * len(labels)), **how).fit(scaled, labels)
    return time.process_time() - started, float(chosen), model, scores


def require_equal(fit: LogisticFit, chosen: float, model: LogisticRegression, scores: np.ndarray) -> None:
    """Exit where the two are not the same probe."""
    if fit.strength != chosen:
        raise SystemExit(f"ours chose the strength {fit.strength:g}, sklearn {chosen:g}")
    auc_apart = np.abs(np.array(list(fit.cv_auc.values())) - scores).max()
    apart = np.abs(fit.coefficients - model.coef_[0]).max() / np.abs(model.coef_).max()
    if auc_apart > AUC_APART or apart > COEFFICIENTS_APART:
        raise SystemExit(f"AUCs of the folds differ by {auc_apart:.1e}, coefficients by {apart:.1e} of the largest")
