"""A comparison table as JSON: what the other formats show, and every cell behind it, for programs."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from harness.caption import caption
from harness.entries import COUNTS, LEVEL, Contrast
from harness.table_model import ComparisonTable, Entry, Row


def render(table: ComparisonTable) -> str:
    """One object: ``spec``, ``caption``, ``columns``, ``rows`` (also published ones, and those without image)."""
    said = caption(table)
    spec = table.spec
    whole = {
        "ablation": spec.ablation,
        "profile": spec.profile,
        "dataset": spec.dataset,
        "simulated": spec.simulated,
        "metric": spec.metric,
        "interval_percent": LEVEL,
        "seeds": list(table.seeds),
        "caption": {"question": said.question, "warning": said.warning, "sentences": list(said.sentences)},
        "footnotes": dict(table.footnotes),
        "row_levels": list(spec.rows),
        "column_levels": list(spec.columns),
        "columns": [{"values": list(c.values), "labels": list(c.labels)} for c in table.columns],
        "trends": [
            {"where": t.where, "slope": t.found and dataclasses.asdict(t.found), "p_adjusted": t.p, "why": t.refused}
            for t in table.trends
        ],
        "overall": [dataclasses.asdict(o) for o in table.overall],
    }
    head = json.dumps(_plain(whole), indent=1, ensure_ascii=False).removesuffix("\n}")
    rows = [json.dumps(_plain(_row(row)), ensure_ascii=False) for rows in table.parts for row in rows]
    return head + ',\n "rows": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n"


def _row(row: Row) -> dict[str, Any]:
    return {
        "values": list(row.values),
        "labels": list(row.labels),
        "reference": row.reference,
        "baseline": row.baseline,
        "published": row.published,
        "entries": [_entry(entry) for entry in row.entries],
        "facts": {fact.name: {"mean": fact.mean, "low": fact.low, "high": fact.high} for fact in row.facts},
    }


def _entry(entry: Entry) -> dict[str, Any]:
    if entry.quoted is not None:
        return {"quoted": entry.quoted, "interval": entry.quoted_interval, "footnotes": list(entry.footnotes)}
    return {
        "status": entry.status,
        "mean": entry.mean,
        "sd": entry.sd,
        "low": entry.low,
        "high": entry.high,
        "best": entry.best,
        "not_told_from_best": entry.tied,
        "against_reference": _contrast(entry.contrast),
        "counts": {name: list(values) for name in COUNTS if (values := entry.count(name))},
        "reasons": list(entry.reasons),
        "cells": [
            {"seed": c.seed, "status": c.status, "value": c.value, "key": c.key, "run_id": c.run_id, "error": c.error}
            for c in entry.cells
        ],
    }


def _contrast(said: Contrast | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "reference": said.reference,
        "difference": said.difference and dataclasses.asdict(said.difference),
        "p_adjusted": said.p,
        "mark": said.mark,
        "family": said.family,
        "margin": said.verdict,
        "refused": [refusal.words for refusal in said.refusals],
    }


def _plain(value: Any) -> Any:
    """What JSON has words for: a number that is none is null."""
    if isinstance(value, dict):
        return {str(name): _plain(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
