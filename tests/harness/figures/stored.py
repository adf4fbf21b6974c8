"""A store with the stages behind a frame of cells: pretrainings with histories, evaluations with predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from harness.store import Card, Store

PATIENTS = 40


def predictions(centre: float, seed: int, *, patients: int = PATIENTS) -> pd.DataFrame:
    """Two breasts a patient, a quarter of them positive, scores that are probabilities."""
    rng = np.random.default_rng(seed)
    labels = np.arange(2 * patients) % 4 == 0
    scores = 1 / (1 + np.exp(-(rng.normal(0, 1, len(labels)) + 3 * (centre - 0.5) * labels - 1)))
    people = [f"p{i // 2:03d}" for i in range(len(labels))]
    names = [f"{p}_{'LR'[i % 2]}" for i, p in enumerate(people)]
    return pd.DataFrame({"unit_id": names, "patient_id": people, "label": labels.astype(np.int8), "score": scores})


def follow_up(seed: int, *, patients: int = 150) -> pd.DataFrame:
    """An exam or two a woman with her risk of each of five years."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(1.5, 8, 2 * patients)
    years, end = rng.exponential(3 / (risk + 0.02)), rng.uniform(1, 8, len(risk))
    people = [f"p{i // 2:03d}" for i in range(len(risk))]
    frame = pd.DataFrame({"unit_id": [f"e{i:03d}" for i in range(len(risk))], "patient_id": people})
    frame["label"], frame["score"] = (years <= end).astype(np.int8), risk
    return frame.assign(years=np.minimum(years, end), **{f"risk{k}": risk * k / 5 for k in range(1, 6)})


def history(epochs: int, seed: int) -> list[dict]:
    """Losses that fall."""
    rng = np.random.default_rng(seed)
    falling = 4 * np.exp(-np.arange(1, epochs + 1) / 5) + rng.normal(0, 0.05, epochs)
    return [{"epoch": i + 1, "loss": float(v), "val_loss": float(v + 0.5)} for i, v in enumerate(falling)]


def publish(store: Store, stage: str, key: str, inputs: dict[str, str], files: dict[str, object], **card) -> None:
    """A stage with this card: ``seconds``, ``resources``, ``summary``, ``config``."""
    folder = store.path(stage, key)
    folder.mkdir(parents=True)
    for name, content in files.items():
        if isinstance(content, pd.DataFrame):
            content.to_parquet(folder / name)
        else:
            (folder / name).write_text(json.dumps(content))
    said = {"seconds": 1.0, "resources": {"cpu": 1.0}, "summary": {}, **card}
    facts = {"version": 1, "config": {}, "kind": stage, "finished": "", "host": "", "git_commit": "", "bytes": 0}
    whole = Card(stage=stage, key=key, inputs=inputs, **{**facts, **said})
    (folder / "card.json").write_text(json.dumps(vars(whole)))


def stored(
    frame: pd.DataFrame,
    root: Path,
    arm: str,
    *,
    device: str = "gpu",
    of_cell: Callable[[dict, int], dict[str, object]] | None = None,
    **measures: float,
) -> Store:
    """A store for the cells of a frame; one pretraining for each value of ``arm`` and each seed.

    Parameters
    ----------
    of_cell : callable, optional
        A cell and its number to the files of its evaluation; by default predictions.
    """
    store = Store(root)
    of_cell = of_cell or (lambda cell, i: {"predictions.parquet": predictions(cell["auc@breast"], i)})
    arms = list(dict.fromkeys(frame[arm]))
    for number in range(len(arms)):
        for seed in dict.fromkeys(frame["seed"]):
            spent = {"seconds": 100.0 * 3**number + seed, "resources": {"cpu": 4.0, device: 2.0}}
            said = {"measures": {name: v * (number + 1) for name, v in measures.items()}}
            files = {"history.json": history(6, seed + 10 * number)}
            publish(store, "pretrain", f"t{number}-{seed}", {}, files, summary=said, **spent)
            publish(store, "features", f"f{number}-{seed}", {"pretrain": f"t{number}-{seed}"}, {})
    for i, cell in enumerate(frame.to_dict("records")):
        if cell["status"] == "done":
            inputs = {"features": f"f{arms.index(cell[arm])}-{cell['seed']}"}
            publish(store, "evaluate", cell["key"], inputs, of_cell(cell, i))
    return store
