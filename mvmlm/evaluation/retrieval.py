"""Retrieval: which report belongs to a breast, and which breast to a report, among all test breasts.

A breast's embedding is the mean of its views', brought to unit length. Reports are written from records, and breasts of
one record have the same one: which of them wrote it no image can tell. So from image to report the gallery is the
*different* reports of the test breasts, of which one is right; were each there as often as breasts have it, a common
report alone would fill the first places. From report to image the gallery is the test breasts, all of those with the
very report are right, and the first of them counts.

In the direction image → report each breast asks a question of its own; in the other, breasts with one report ask the
same one. So the first is the primary direction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.errors import DataError
from mvmlm.evaluation.bootstrap import PatientBootstrap, percentile_interval
from mvmlm.evaluation.finetune import ScoringOptions
from mvmlm.evaluation.protocols import PROTOCOLS, Evaluation, as_options
from mvmlm.evaluation.rank_of_first import (
    FirstRight,
    first_right,
    median_rank,
    recall,
    weighted_median_rank,
    weighted_recall,
)  # fmt: skip
from mvmlm.evaluation.scoring import BOOTSTRAP_SEED
from mvmlm.evaluation.tasks import Task
from mvmlm.evaluation.text_set import TextSet
from mvmlm.evaluation.untrained import Tested, select_tested, view_embeddings

LEVEL = "breast"
#: Depths of recall, the primary one first.
DEPTHS = (5, 1, 10)
#: What is looked for, to what its metrics' names begin with: image → report, report → image.
DIRECTIONS = {"report": "", "image": "image_"}


@PROTOCOLS.register("retrieval")
def run(
    features: np.ndarray,
    breasts: pd.DataFrame,
    task: Task,
    *,
    texts: TextSet,
    fraction: float = 1.0,
    seed: int = 0,
    options: ScoringOptions | Mapping[str, Any] | None = None,
) -> Evaluation:
    """Rank the reports of the test breasts by similarity to each breast, and the breasts by similarity to each report.

    Parameters
    ----------
    features : ndarray, shape (n_breasts, 2, E)
        Embeddings of CC and MLO, L2-normalised; NaN where a view is missing.
    texts : TextSet
        One report of each test breast, its ``breast_id`` being the owner; breasts without one take no part.
    fraction, seed : float, int
        Not read: nothing is trained.

    Returns
    -------
    Evaluation
        A draw of the bootstrap weighs the breasts that ask, and leaves the gallery as it is: how hard a gallery is
        depends on its size, and one drawn with repeats would hold fewer different breasts. Predictions have label 1
        (each breast has something to find), as score the mean rank of its report, negative, and beside it, for both
        directions, what `FirstRight` says.

    Raises
    ------
    DataError
        If there are fewer than two test breasts with a report, or all reports are the same.
    """
    options = as_options(ScoringOptions, options)
    rows = texts.table.drop_duplicates("owner").set_index("owner")["row"].reindex(breasts.index.astype(str))
    tested = select_tested(breasts, rows.notna().to_numpy(), "report")
    reports, number = _reports(rows.to_numpy()[tested.rows["row"]])
    images, words = _breast_embeddings(view_embeddings(features, tested), tested), texts.features[reports]
    found = {
        "report": first_right(images, words, number, np.arange(len(reports))),
        "image": first_right(words[number], images, number, number),
    }
    patients = tested.rows["patient_id"].to_numpy().astype(str)
    bootstrap = PatientBootstrap.draw(patients, np.ones(len(patients)), draws=options.draws, seed=BOOTSTRAP_SEED)
    clusters = bootstrap.clusters_of(patients)
    metrics: dict[str, float] = {}
    draws: dict[str, np.ndarray] = {}
    for name, value, drawn in measures(found):
        metrics[name], draws[name] = value(), drawn(clusters, bootstrap.counts).astype(np.float32)
        metrics[f"{name}/low"], metrics[f"{name}/high"] = percentile_interval(draws[name], options.interval)
    counts = {"n": len(number), "n_patients": len(bootstrap.patients)}
    return Evaluation(
        _predictions(tested, found),
        {**metrics, **counts},
        draws,
        {"protocol": "retrieval", "dropped": tested.dropped, **_details(found, number), **_bootstrap_facts(options)},
    )


def measures(found: Mapping[str, FirstRight]) -> Iterator[tuple[str, Callable[[], float], Callable]]:
    """Full name, value and draws of every metric of the directions given, the primary one first."""
    for direction, ranks in found.items():
        prefix = DIRECTIONS[direction]
        for depth in DEPTHS:
            name = f"{prefix}recall_at_{depth}@{LEVEL}"
            yield name, partial(recall, ranks, depth), partial(weighted_recall, ranks, depth)
        yield f"{prefix}median_rank@{LEVEL}", partial(median_rank, ranks), partial(weighted_median_rank, ranks)


def _reports(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the different reports (T,) in a `TextSet`, and which of them each test breast has, (n_test,)."""
    if len(rows) < 2:
        raise DataError(f"{len(rows)} test breasts have a report and a usable view: retrieval needs two")
    reports, number = np.unique(rows.astype(np.int64), return_inverse=True)
    if len(reports) < 2:
        raise DataError(f"all {len(rows)} test breasts have the same report: there is nothing to retrieve")
    return reports, number


def _breast_embeddings(views: np.ndarray, tested: Tested) -> np.ndarray:
    """Mean of a breast's views, whichever exist, at unit length, shape (n_test, E), float64."""
    mean = np.nanmean(views, axis=1)
    size = np.linalg.norm(mean, axis=1, keepdims=True)
    if (size == 0).any():
        first = tested.rows.index[np.flatnonzero(size == 0)[0]]
        raise DataError(f"the views of {first} cancel out: its embedding has no direction")
    return mean / size


def _predictions(tested: Tested, found: Mapping[str, FirstRight]) -> pd.DataFrame:
    ranks = {
        f"{direction}_{name}": getattr(found[direction], name)
        for direction in DIRECTIONS
        for name in ("ahead", "tied", "right")
    }
    return pd.DataFrame(
        {
            "unit_id": tested.rows.index.astype(str),
            "patient_id": tested.rows["patient_id"].to_numpy().astype(str),
            "label": np.ones(len(tested.rows), np.int8),
            "score": -found["report"].expected(),
            **ranks,
        }
    )


def _details(found: Mapping[str, FirstRight], number: np.ndarray) -> dict[str, Any]:
    """The galleries, and how far one comes without a look at the image: by a guess, or by naming common reports."""
    sizes = np.bincount(number)
    guess = {"report": found["report"].guessed(np.ones_like(number)), "image": found["image"].guessed(sizes[number])}
    chance = {name: value() for name, value, _ in measures(guess)}
    common = {"report": _commonest_first(sizes, number)}
    blind = {name: value() for name, value, _ in measures(common)}
    primary = f"recall_at_{DEPTHS[0]}@{LEVEL}"
    return {
        "directions": {"": "image → report", DIRECTIONS["image"]: "report → image"},
        "gallery": {direction: ranks.size for direction, ranks in found.items()},
        "chance": chance,
        "commonest_first": blind,
        "notes": [
            f"retrieval: {len(number)} test breasts have {len(sizes)} different reports; without a look at the image, "
            f"a guess finds the right one among the first {DEPTHS[0]} in {100 * chance[primary]:.1f} % of the cases, "
            f"and naming the most common ones does in {100 * blind[primary]:.1f} %"
        ],
    }


def _commonest_first(sizes: np.ndarray, number: np.ndarray) -> FirstRight:
    """Reports in the order of how many test breasts have them, whatever the image."""
    ordered = np.sort(sizes)
    below, up_to = (np.searchsorted(ordered, sizes, side) for side in ("left", "right"))
    ahead, tied = len(sizes) - up_to, up_to - below
    return FirstRight(ahead[number], tied[number], np.ones_like(number), len(sizes))


def _bootstrap_facts(options: ScoringOptions) -> dict[str, Any]:
    said = {"unit": "patient", "strata": "none", "gallery": "fixed", "draws": options.draws, "seed": BOOTSTRAP_SEED}
    return {"bootstrap": {**said, "interval": options.interval}}
