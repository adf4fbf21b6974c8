"""The page of reports of a finished run: every source that its cells were trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.preview import KINDS, Said, Shown
from harness.render.reports import SourceRow, render
from harness.store import Card, Store

if TYPE_CHECKING:
    import pandas as pd

    from harness.home import Home

RECORDS, WRONG = 4, 5  # how many are shown, of all and of each source


def write_report_page(home: Home, stages: list[str], path: Path, *, question: str, simulated: bool) -> Path | None:
    """Write the page of the ``reports`` stages among ``stages``; None where there is none in this store.

    Parameters
    ----------
    stages : list of str
        Keys of all stages that the run's cells stand on.
    """
    store = Store(home.store)
    cards = [card for key in sorted(set(stages)) if (card := store.card("reports", key)) and "measures" in card.summary]
    if not cards:
        return None
    cards.sort(key=lambda card: (ORDER.index(_source(card)) if _source(card) in ORDER else len(ORDER), _name(card)))
    import pandas as pd

    frames = {card.key: pd.read_parquet(store.path("reports", card.key) / "texts.parquet") for card in cards}
    rows = [
        SourceRow(_name(card), card.summary["measures"], card.summary["by_field"], _wrong(frames[card.key]))
        for card in cards
    ]
    page = render(
        _side_by_side(cards, frames), limit=0, simulated=simulated, title=f"Reports: {question}", rows=rows
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    return path


ORDER = ("tabular", "template", "paraphrase", "llm", "clinical")


def _source(card: Card) -> str:
    return card.config["reports"]["source"]


def _name(card: Card) -> str:
    """``llm tiny_llama ×4, unfaithful: template``."""
    said = card.config["reports"]
    model = f" {Path(said['llm']['options']['model']).name}" if "llm" in said else ""
    many = f" ×{said['samples']}" if said["samples"] > 1 else ""
    policy = f", unfaithful: {said['unfaithful']}" if said.get("unfaithful", "keep") != "keep" else ""
    return f"{said['source']}{model}{many}{policy}"


def _marks(row: Any) -> dict[str, tuple[str, ...]]:
    return {kind: tuple(row[kind]) for kind in KINDS if len(row[kind])}


def _wrong(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The first texts in use that say something untrue."""
    found = frame[(frame["text"] != "") & ((frame["hallucinated"].str.len() + frame["contradicted"].str.len()) > 0)]
    return [
        {
            "fields": json.loads(row["fields"]),
            "text": row["text"],
            "marks": "; ".join(f"{kind} {', '.join(names).replace('_', ' ')}" for kind, names in _marks(row).items()),
        }
        for row in found.head(WRONG).to_dict("records")
    ]


def _side_by_side(cards: list[Card], frames: dict[str, pd.DataFrame]) -> list[Shown]:
    """Some records that every source wrote of, those with the most to say first, and their first texts."""
    firsts = [frames[card.key].loc[lambda f: f["sample"] == 0].drop_duplicates("fields") for card in cards]
    shared = set.intersection(*(set(frame["fields"]) for frame in firsts))
    told = sorted(shared, key=lambda text: (-len(json.loads(text)), text))
    by_fields = [frame.set_index("fields") for frame in firsts]
    shown = []
    for number, text in enumerate(told[:RECORDS], start=1):
        texts = tuple(_said(card, frame.loc[text]) for card, frame in zip(cards, by_fields))
        shown.append(Shown(f"record {number}", json.loads(text), texts))
    return shown


def _said(card: Card, row: Any) -> Said:
    return Said(_name(card), row["text"] or row["raw"], _marks(row), None, row["outcome"])
