"""2,000 paired bootstrap draws of the AUC of 30 cells on 20,000 breasts, against scikit-learn in a loop. One core.

    OMP_NUM_THREADS=1 taskset -c 0 python -m tests.benchmarks bootstrap

Ours draws the patients once, as cells on the same test set may, and scores every cell on every draw. The plain way
scores resampled rows with `roc_auc_score`, a draw at a time; it is timed on a few draws of one cell and scaled up, and
the rows of those draws are laid out before its clock starts. Both give the same AUCs, which is checked. Seconds are the
processor's, so that a neighbour's work is not counted.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import numpy as np
from sklearn.metrics import roc_auc_score

from mvmlm.evaluation.bootstrap import PatientBootstrap

PLAIN_DRAWS = 40
SHARED = 0.7  # spread of the patient's part in labels and scores, beside noise of 1


def main(options: list[str] | None = None) -> None:
    """Print the table."""
    asked = _arguments(options)
    ours(*cohort(200, 1, 0.5), draws=10)  # imports
    print(f"{asked.breasts:,} breasts, two a patient; {asked.draws:,} draws; {asked.cells} cells; CPU seconds")
    print(f"{'positive':>8} {'drawing':>8} {'scoring':>8} {'ours':>8} {'sklearn':>9} {'ratio':>7}")
    for prevalence in asked.prevalence:
        patients, labels, scores = cohort(asked.breasts, asked.cells, prevalence)
        drawing, scoring, bootstrap, first = ours(patients, labels, scores, asked.draws)
        plain = asked.cells * asked.draws * plain_seconds(bootstrap, labels, scores[0], first)
        total = drawing + scoring
        shown = f"{drawing:8.2f} {scoring:8.2f} {total:8.2f} {plain:9.0f} {plain / total:7.0f}"
        print(f"{100 * prevalence:6.0f} % {shown}", flush=True)
    print(f"sklearn: {PLAIN_DRAWS} draws of one cell, scaled to all; drawing not counted")


def _arguments(options: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks bootstrap", description=__doc__)
    parser.add_argument("--breasts", type=int, default=20_000)
    parser.add_argument("--cells", type=int, default=30)
    parser.add_argument("--draws", type=int, default=2_000)
    parser.add_argument("--prevalence", type=float, nargs="+", default=[0.02, 0.1, 0.5])
    return parser.parse_args(options or [])


def cohort(breasts: int, cells: int, prevalence: float) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Patients, labels and the scores of each cell, with a patient effect in all."""
    rng = np.random.default_rng(0)
    number = np.arange(breasts) // 2
    shared = SHARED * rng.standard_normal(breasts // 2 + 1)[number]
    liable = shared + rng.standard_normal(breasts)
    labels = liable > np.quantile(liable, 1 - prevalence)
    return (
        np.char.mod("p%06d", number),
        labels,
        [labels + shared + rng.standard_normal(breasts) for _ in range(cells)],
    )


def ours(
    patients: np.ndarray, labels: np.ndarray, scores: list[np.ndarray], draws: int
) -> tuple[float, float, PatientBootstrap, np.ndarray]:
    """Seconds to draw and to score, the draws, and the first cell's AUCs."""
    started = time.process_time()
    bootstrap = PatientBootstrap.draw(patients, labels, draws=draws, seed=0)
    drawn = time.process_time()
    values = [bootstrap.auc(patients, labels, cell) for cell in scores]
    return drawn - started, time.process_time() - drawn, bootstrap, values[0]


def plain_seconds(bootstrap: PatientBootstrap, labels: np.ndarray, scores: np.ndarray, expected: np.ndarray) -> float:
    """Median seconds of one draw of one cell."""
    seconds = []
    for draw in range(PLAIN_DRAWS):
        rows = np.repeat(np.arange(len(labels)), np.repeat(bootstrap.counts[:, draw], 2))
        started = time.process_time()
        value = roc_auc_score(labels[rows], scores[rows])
        seconds.append(time.process_time() - started)
        if abs(value - expected[draw]) > 1e-9:
            raise SystemExit(f"draw {draw}: {value} by scikit-learn, {expected[draw]} by us")
    return median(seconds)
