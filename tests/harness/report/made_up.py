"""Sources of a report on made-up tables: a store with the stages behind the cells, and details by the real judge."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from harness.figures.chosen import Drawn
from harness.home import Home
from harness.plan import build_plan
from harness.report.sources import Sources
from harness.stages import Node
from harness.store import Store
from harness.tables import build_table
from harness.tracking import Tracker
from mvmlm.evaluation.judge import Terms, judge
from mvmlm.evaluation.protocols import write_draws
from tests.harness.ablation_files import expander
from tests.harness.figures.stored import publish, stored
from tests.harness.table_cells import grid, no_image, spec
from tests.harness.test_comparison import SPEC, record

ARM = "method.tokens"
IMAGES = "i0"
SAID = {
    "ablation": "token_count",
    "profile": "demo",
    "question": "How many pseudo-tokens does an image need?",
    "table": {"rows": [ARM], "columns": ["task", "eval.fraction"], "metric": "auc@breast", "beside": []},
    "base": {"data": {"name": "phantom", "options": {"exams": 400}}, "method": {"name": "mvmlm", "dropout": None}},
    "axes": {ARM: [4, 8, 16, 32], "eval.fraction": [0.1, 1.0]},
    "seeds": [0, 1, 2],
    "tasks": ["mass", "calcification", "malignancy"],
    "protocols": ["linear_probe"],
    "command": "python -m harness run token_count --profile demo --set train.epochs=3",
}
ENVIRONMENT = {"git_commit": "c0ffee", "python": "3.11.7", "platform": "Linux", "packages": {"numpy": "2.4.6"}}


def details(seed: int = 0, patients: int = 120) -> dict:
    """What a judge says of a cell, by the very judge."""
    rng = np.random.default_rng(seed)
    people = np.repeat([f"p{i:03d}" for i in range(2 * patients)], 2)
    labels = (rng.random(len(people)) < 0.35).astype(np.int8)
    rows = pd.DataFrame({"unit_id": [f"{p}_{'LR'[i % 2]}" for i, p in enumerate(people)], "patient_id": people})
    rows = rows.assign(label=labels, score=1 / (1 + np.exp(1 - 1.5 * labels - rng.normal(0, 1, len(labels)))))
    test, reference = rows[: 2 * patients], rows[2 * patients :]
    age = rng.choice([45.0, 55.0, 65.0], len(test))
    told = pd.DataFrame({"age": age, "density": rng.choice(list("ABCD"), len(test))}, index=test["unit_id"])
    return judge(test, Terms(draws=100), people=told, reference=reference).details


def picture(width: int = 40, height: int = 20) -> bytes:
    """A grey PNG."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    lines = zlib.compress((b"\0" + b"\x99" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")


def drawn(folder: Path) -> Drawn:
    """Two figures, and one that could not be drawn."""
    paths = []
    for name in ("demo-axis", "demo-curves-mass"):
        paths += [folder / f"{name}.pdf", folder / f"{name}.png"]
        paths[-1].write_bytes(picture())
    return Drawn(paths, {"heatmap": "heat map: the rows vary along method.tokens, not along two axes"})


def image_store(store: Store) -> None:
    """A small image store as its stage leaves it: 6 patients, one image of theirs set aside."""
    breasts = pd.DataFrame(
        {
            "patient_id": np.repeat([f"p{i}" for i in range(6)], 2),
            "exam_id": np.repeat([f"e{i}" for i in range(6)], 2),
            "split": pd.array(["train"] * 8 + ["test"] * 4, dtype="string"),
        },
        index=pd.Index([f"e{i}_{side}" for i in range(6) for side in "LR"], name="breast_id"),
    )
    index = pd.DataFrame({"breast_id": np.repeat(breasts.index, 2)[:-1]})
    licence = {"title": "simulated <exams>", "licence": "none needed", "where": "made on the spot", "releasable": "yes"}
    summary = {"images": 23, "set_aside": 1, "set_aside_examples": ["a.dicom: <cut short>"], "height": 64, "width": 48}
    files = {"breasts.parquet": breasts, "index.parquet": index, "licence.json": {**licence, "simulated": True}}
    options = {"exams": 400, "mirror": None}
    config = {"data": "phantom", "fingerprint": "f00d", "options": options}
    publish(store, "images", IMAGES, {}, files, config=config, summary={**summary, "apart": {"spot views": 3}})


def made_up(root: Path, frame: pd.DataFrame | None = None, **changes) -> Sources:
    """Sources of the token count ablation; its evaluations stand on features, trainings and one image store."""
    frame = grid() if frame is None else frame
    store = stored(frame, root / "store", ARM, of_cell=lambda cell, i: {"details.json": {}})
    image_store(store)
    arms = list(dict.fromkeys(frame[ARM]))
    keys = {}
    for cell in frame.to_dict("records"):
        training = f"{arms.index(cell[ARM])}-{cell['seed']}"
        keys[cell["key"]] = [cell["key"], f"f{training}", f"t{training}", IMAGES]
    table = build_table(frame, no_image(), spec(**changes.pop("asked", {})))
    told = root / "details.json"
    told.write_text(json.dumps(details()))
    found = {
        "table": table,
        "drawn": drawn(root),
        "run_id": "parent0",
        "said": SAID,
        "store": store,
        "logs": root / "logs",
        "files": lambda cell, name: told if name == told.name else None,
        "environment": ENVIRONMENT,
        "stages": keys,
    }
    return Sources(**{**found, **changes})


def recorded(folder: Path) -> tuple[Home, Tracker, str]:
    """Two methods as if they had been trained and recorded, and the id of their parent run."""
    home = Home(folder / "home")
    expansion = expander(folder)(yaml.safe_dump(SPEC, sort_keys=False))
    plan = build_plan(expansion.cells)
    for node in plan.nodes.values():

        def produce(out: Path, node: Node = node) -> dict:
            if node.stage == "pretrain":
                losses = [{"epoch": epoch, "loss": 3.0 / epoch} for epoch in (1, 2, 3)]
                (out / "history.json").write_text(json.dumps(losses))
            if node.stage != "evaluate":
                return {"measures": {"hallucinated": 0.02}} if node.stage == "reports" else {}
            numbers = {"auc@breast": 0.75, "n": 20}
            (out / "metrics.json").write_text(json.dumps(numbers))
            (out / "details.json").write_text(json.dumps(details()))
            write_draws(out / "draws.npy", {"auc@breast": np.linspace(0.7, 0.8, 50)})
            return {"metrics": numbers}

        Store(home.store).publish({**vars(node)}, produce)
    return home, *record(plan, expansion.header(), home)
