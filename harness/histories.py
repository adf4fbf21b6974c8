"""Histories of trainings: the losses of each epoch, as the stages that train leave them beside their weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HISTORY = "history.json"


def all_rates(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Epochs of every learning rate of a fine-tuning, taken out of its record.

    ``lr_peak`` is the rate, and ``chosen`` whether it is the one whose network is scored.
    """
    return [
        {**epoch, "lr_peak": run["lr"], "chosen": "chosen" in run} for run in runs for epoch in run.pop("history", ())
    ]


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Epochs of the network that a stage has kept; nothing where there is no whole file."""
    try:
        said = json.loads((folder / HISTORY).read_text())
    except (OSError, ValueError):
        return []
    epochs = [r for r in said if isinstance(r, dict) and "epoch" in r] if isinstance(said, list) else []
    return [{k: v for k, v in r.items() if k != "chosen"} for r in epochs if r.get("chosen", True)]
