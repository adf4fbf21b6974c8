"""The patients whom two rows call differently at their thresholds: McNemar's exact test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.figures.representatives import FilesOf, Representative, read_predictions
from harness.stats.mcnemar import Discordant, mcnemar
from mvmlm.errors import DataError


@dataclass(frozen=True)
class Called:
    """Two rows at the thresholds that each chose for one purpose.

    Attributes
    ----------
    metric : str
        The purpose, by the metric that it serves.
    level : str
        Of the scores that the thresholds are for.
    positive, negative : Discordant
        Patients with and without a finding.
    """

    metric: str
    level: str
    positive: Discordant
    negative: Discordant


def called_differently(
    pair: Sequence[Representative], operating: Sequence[Mapping[str, Any]], files: FilesOf
) -> list[Called]:
    """Hold a row against the reference at every threshold that both have at the level of their predictions.

    Parameters
    ----------
    pair : sequence of Representative, length 2
        The reference, and the row.
    operating : sequence of mapping, length 2
        ``<metric>@<level>`` to ``threshold`` (None calls nobody), as ``details.json`` has it.

    Raises
    ------
    DataError
        When predictions cannot be read, or are not of the same rows.
    """
    names = [name for name in operating[0] if name in operating[1]]
    if not names:
        return []
    level = names[0].partition("@")[2]  # the first is the level of the predictions
    frames = [read_predictions(one.cell, files) for one in pair]
    if any("unit_id" not in frame for frame in frames):
        raise DataError("their predictions do not say which rows they are of")
    theirs, ours = (frame.set_index("unit_id").sort_index() for frame in frames)
    if not ours.index.equals(theirs.index) or not (ours["label"] == theirs["label"]).all():
        raise DataError("they were tested on different rows")
    return list(_called([n for n in names if n.endswith(f"@{level}")], operating, (theirs, ours)))


def _called(names: Sequence[str], operating: Sequence[Mapping[str, Any]], frames: Sequence[Any]) -> Iterator[Called]:
    for name in names:
        calls = []
        for frame, told in zip(frames, operating):
            threshold = told[name]["threshold"]
            calls.append(frame["score"] >= (float("inf") if threshold is None else threshold))
        found = mcnemar(frames[1]["label"], calls[1], calls[0], frames[1]["patient_id"])
        metric, _, level = name.partition("@")
        yield Called(metric, level, found.sensitivity, found.specificity)
