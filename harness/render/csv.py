"""A comparison table as tidy CSV: one line an entry, every number in full precision, every key and run."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from harness.entries import COUNTS, LEVEL
from harness.table_model import Column, ComparisonTable, Entry, Row

SEPARATOR = ";"


def render(table: ComparisonTable) -> str:
    """One header line and one line an entry; several values in one field are parted by ``;``.

    A side column is three fields, ``<measure>:row_mean``, ``:row_low`` and ``:row_high``. They are facts of the whole
    row and the same on each of its lines.
    """
    out = io.StringIO()
    spec = table.spec
    writer = None
    for row, column, entry in (*table.entries(), *table.quotes()):
        fields = {
            "ablation": spec.ablation,
            "profile": spec.profile,
            "dataset": spec.dataset,
            "simulated": str(spec.simulated).lower(),
            "releasable": spec.releasable,
            "baseline": row.baseline or "",
            **({"published": " ".join(filter(None, row.labels)) if row.published else ""} if table.compared else {}),
            **_coordinates(spec.rows, row),
            **_coordinates(spec.columns, column),
            "metric": spec.metric,
            **_numbers(entry),
            **{name: _joined(entry.count(name)) for name in COUNTS},
            "best": str(entry.best).lower(),
            "not_told_from_best": "" if entry.tied is None else str(entry.tied).lower(),
            "reference": str(row.reference).lower(),
            **_contrast(entry),
            **_facts(row),
            **_cells(entry),
            "reasons": " | ".join(entry.reasons),
        }
        if writer is None:
            writer = csv.DictWriter(out, list(fields), lineterminator="\n")
            writer.writeheader()
        writer.writerow(fields)
    return out.getvalue()


def _coordinates(paths: Sequence[str], place: Row | Column) -> dict[str, Any]:
    return {path: _text(value) for path, value in zip(paths, place.values)}


def _numbers(entry: Entry) -> dict[str, Any]:
    if entry.quoted is not None:
        low, _, high = entry.quoted_interval.strip("[]").partition(", ")
        empty = dict.fromkeys(("sd", "seeds_done", "seeds_planned", "level_percent", "draws"), "")
        return {"status": "published", "mean": entry.quoted, "low": low, "high": high, **empty}
    return {
        "status": entry.status,
        "mean": _text(entry.mean),
        "sd": _text(entry.sd),
        "seeds_done": len(entry.done),
        "seeds_planned": len(entry.cells),
        "low": _text(entry.low),
        "high": _text(entry.high),
        "level_percent": LEVEL if entry.low is not None else "",
        "draws": "" if entry.draws is None else len(entry.draws),
    }


def _contrast(entry: Entry) -> dict[str, str]:
    """Against the reference: arm minus reference."""
    said, names = entry.contrast, ("delta", "low", "high", "p", "test", "note")
    found = said.difference if said else None
    numbers = {f"difference_{n}": _text(getattr(found, n)) if found else "" for n in names}
    return {
        **numbers,
        "p_adjusted": _text(said.p) if found else "",
        "mark": entry.mark,
        "family": str(said.family) if said else "",
        "margin": (said.verdict or "") if said else "",
        "refused": " | ".join(r.words for r in said.refusals) if said else "",
    }


def _facts(row: Row) -> dict[str, str]:
    return {
        f"{fact.name}:row_{end}": _text(getattr(fact, end)) for fact in row.facts for end in ("mean", "low", "high")
    }


def _cells(entry: Entry) -> dict[str, str]:
    """The cells behind an entry, seed by seed, in equally long lists."""
    return {
        "seeds": _joined(c.seed for c in entry.cells),
        "statuses": _joined(c.status for c in entry.cells),
        "values": _joined(c.value for c in entry.cells),
        "keys": _joined(c.key for c in entry.cells),
        "run_ids": _joined(c.run_id for c in entry.cells),
    }


def _joined(values: Any) -> str:
    return SEPARATOR.join(_text(v) for v in values)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return _joined(value) if isinstance(value, tuple) else str(value)
