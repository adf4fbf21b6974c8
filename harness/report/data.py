"""The data card: which data a run stands on, under which licence, and how much there is of them in each split."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.report.sources import Sources
from harness.stages.licence import NAME
from harness.store import Card
from mvmlm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SplitCounts:
    """How many there are in a split; images that can be used, and everything else whether or not its images can."""

    split: str
    patients: int
    exams: int
    breasts: int
    images: int


@dataclass(frozen=True)
class DataCard:
    """One image store.

    Attributes
    ----------
    licence : dict
        ``title, licence, where, releasable, simulated``; empty where the store is elsewhere.
    options : dict
        What the data set was read with.
    facts : dict
        What was noted when the images were stored, number by number; zeros are left out.
    examples : tuple of str
        Some of what was set aside.
    counts : tuple of SplitCounts
        Empty where the store is elsewhere.
    split : str
        How patients came into splits.
    """

    name: str
    fingerprint: str
    key: str
    licence: dict[str, Any]
    options: dict[str, Any]
    facts: dict[str, str]
    examples: tuple[str, ...]
    counts: tuple[SplitCounts, ...]
    split: str


FACTS = {
    "set_aside": "images set aside",
    "flipped_against_tag": "chest wall on the other side than the laterality says",
    "without_window": "without a window, shown between their extremes",
    "dim": "that use less than a quarter of the grey range",
    "regions_lost": "marked regions lost",
    "same_pixels": "the very picture of another one",
    "same_across_splits": "such pictures in training and test set",
}


def data_cards(sources: Sources, cards: Mapping[str, Card]) -> list[DataCard]:
    """One for each image store that the cells stand on."""
    splits = {}
    for card in cards.values():
        if card.stage == "evaluate" and "images" in card.inputs:
            splits.setdefault(card.inputs["images"], card.config.get("split"))
    return [
        _card(card, sources.store.path("images", card.key), splits.get(card.key))
        for card in cards.values()
        if card.stage == "images"
    ]


def _card(card: Card, folder: Path, split: dict | None) -> DataCard:
    said, config = card.summary, card.config
    size = f"{said.get('height', '?')} × {said.get('width', '?')} pixels"
    facts = {"stored as": size, **{words: f"{said[name]:,}" for name, words in FACTS.items() if said.get(name)}}
    facts |= {f"kept apart: {what}": f"{count:,}" for what, count in said.get("apart", {}).items()}
    breasts = _breasts(folder)
    is_drawn = breasts is not None and bool(breasts["split"].isna().any())
    rule = "the data set's own"
    if is_drawn and split:
        rule = f"{100 * split['test_fraction']:g} % of the patients drawn for the test, seed {split['split_seed']}"
    return DataCard(
        name=config.get("data", "?"),
        fingerprint=config.get("fingerprint", ""),
        key=card.key,
        licence=_licence(folder),
        options=config.get("options", {}),
        facts=facts,
        examples=tuple(said.get("set_aside_examples", ())),
        counts=_counts(breasts, folder, split) if breasts is not None else (),
        split=rule if breasts is not None else "",
    )


def _licence(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / NAME).read_text())
    except (OSError, ValueError):
        return {}


def _breasts(folder: Path) -> pd.DataFrame | None:
    from mvmlm.data.image_store import stored_breasts

    try:
        return stored_breasts(folder)
    except DataError:
        return None


def _counts(breasts: pd.DataFrame, folder: Path, split: dict | None) -> tuple[SplitCounts, ...]:
    """Of each split and, where there are several, of all."""
    import pandas as pd

    from mvmlm.data.image_store import INDEX
    from mvmlm.data.splits import with_split

    if split:
        breasts = with_split(breasts, **split)
    of_breast = breasts["split"].astype("string").fillna("no split")
    images = pd.read_parquet(folder / INDEX, columns=["breast_id"])["breast_id"].map(of_breast)
    names = list(dict.fromkeys(sorted(of_breast.unique(), key=lambda name: (name != "train", name != "val", name))))
    found = [_split(name, breasts[of_breast == name], int((images == name).sum())) for name in names]
    return (*found, *([_split("all", breasts, len(images))] if len(found) > 1 else []))


def _split(name: str, rows: pd.DataFrame, images: int) -> SplitCounts:
    return SplitCounts(name, rows["patient_id"].nunique(), rows["exam_id"].nunique(), len(rows), images)


def listed_options(options: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Options as names and texts; what is not set is left out."""
    return ((name, json.dumps(value, ensure_ascii=False)) for name, value in options.items() if value is not None)
