"""Frames of cells for tests of tables, figures and renderers: simulated AUCs with paired draws."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.tables import TableSpec

TASKS = {"mass": (118, 0.136), "calcification": (118, 0.085), "malignancy": (118, 0.059)}
TOKENS = (4, 8, 16, 32)
FRACTIONS = (0.1, 1.0)
SEEDS = (0, 1, 2)
METRIC = "auc@breast"
BESIDE = ("reports/hallucinated", "reports/contradicted", "reports/omitted")
SHARES = {"template": (0.0, 0.0, 0.0), "llm ×4": (0.0213, 0.0049, 0.125)}
"""Arm to how unfaithful its texts are; an arm without texts is not there."""


def spec(**changes) -> TableSpec:
    """The table of the token count ablation."""
    said = {
        "rows": ["method.tokens"],
        "columns": ["task", "eval.fraction"],
        "metric": METRIC,
        "reference": {"method.tokens": 16},
        "question": "How many pseudo-tokens does an image need?",
        "ablation": "token_count",
        "profile": "demo",
        "dataset": "phantom",
        "simulated": True,
        "notes": ["malignancy means BI-RADS ≥ 4 (no pathology in this set)"],
    }
    return TableSpec(**{**said, **changes})


def cell(task: str, fraction: float, seed: int, *, rng, centre: float, draws: int) -> dict:
    """One cell that is done, without the coordinates of its arm."""
    n, prevalence = TASKS[task]
    auc = round(float(np.clip(centre + rng.normal(0, 0.012), 0, 1)), 6)
    sample = np.clip(auc + rng.normal(0, 0.04, draws), 0, 1).astype(np.float32)
    return {
        "status": "done",
        "error": None,
        "eval.fraction": fraction,
        "task": task,
        "protocol": "linear_probe",
        "seed": seed,
        METRIC: auc,
        f"{METRIC}/low": float(np.percentile(sample, 2.5)),
        f"{METRIC}/high": float(np.percentile(sample, 97.5)),
        "n": n,
        "n_patients": n // 2,
        "n_positive": round(n * prevalence),
        "prevalence": prevalence,
        "n_train": round(400 * fraction),
        "draws": sample,
        "shared": {"patients": task, "splits": "one", "code": "c0de", "budget": {"pretrain": "8 epochs"}},
    }


def grid(tokens=TOKENS, tasks=tuple(TASKS), fractions=FRACTIONS, seeds=SEEDS, draws=200) -> pd.DataFrame:
    """tokens × tasks × fractions × seeds, all done."""
    rng = np.random.default_rng(7)
    rows = []
    for t in tokens:
        for i, task in enumerate(tasks):
            for fraction in fractions:
                for seed in seeds:
                    centre = 0.66 + 0.02 * np.log2(t) + 0.05 * fraction - 0.04 * i
                    ids = {"key": f"k{len(rows):05d}", "run_id": f"run{len(rows):05d}", "method.tokens": t}
                    rows.append({**ids, **cell(task, fraction, seed, rng=rng, centre=centre, draws=draws)})
    return pd.DataFrame(rows)


def no_image(tasks=tuple(TASKS), fractions=FRACTIONS, seeds=SEEDS, draws: int = 200) -> pd.DataFrame:
    """Metadata only and majority class, with the coordinates that they depend on."""
    rng = np.random.default_rng(8)
    rows = []
    for name, centre in (("metadata", 0.56), ("majority", 0.5)):
        for task in tasks:
            for fraction in fractions:
                for seed in seeds:
                    row = cell(task, fraction, seed, rng=rng, centre=centre, draws=draws)
                    if name == "majority":
                        row |= {METRIC: 0.5, "draws": np.full(draws, 0.5, np.float32)}
                    del row["protocol"]
                    ids = {"key": f"b{len(rows):05d}", "run_id": f"base{len(rows):05d}"}
                    rows.append({"baseline": name, **ids, **row})
    return pd.DataFrame(rows)


def lose(frame: pd.DataFrame, status: str, error: str | None = None, **where) -> pd.DataFrame:
    """The frame with some cells lost: they keep their place and have no numbers."""
    frame = frame.copy()
    hit = np.ones(len(frame), bool)
    paths = {"tokens": "method.tokens", "fraction": "eval.fraction"}
    for name, value in where.items():
        hit &= (frame[paths.get(name, name)] == value).to_numpy()
    assert hit.any()
    numbers = [c for c in frame if "@" in c or c.startswith("n_") or c in ("n", "prevalence")]
    frame[numbers] = frame[numbers].astype("float64")
    frame.loc[hit, numbers] = np.nan
    frame.loc[hit, ["run_id", "draws"]] = None
    frame.loc[hit, "status"] = status
    frame.loc[hit, "error"] = error
    return frame


def wounded() -> pd.DataFrame:
    """The grid with every kind of gap in it."""
    frame = grid()
    memory, shape = "CUDA out of memory: 2.1 GiB wanted, 50 % free", "ValueError: x_1 & x_2 | <b>differ</b>"
    frame = lose(frame, "failed", memory, tokens=4, task="mass", seed=2)
    frame = lose(frame, "failed", shape, tokens=8, task="calcification", fraction=0.1)
    frame = lose(frame, "unplaceable", "pretrain wants 4 gpu; the largest machine has 1 gpu", tokens=32)
    frame = lose(frame, "stopped", tokens=16, task="malignancy", fraction=1.0, seed=1)
    return lose(frame, "missing", tokens=16, task="malignancy", fraction=0.1)


def measured(frame: pd.DataFrame, arms: pd.Series, shares: dict = SHARES) -> pd.DataFrame:
    """The frame with what each cell's texts are like, by the name of its arm."""
    said = [{**dict(zip(BESIDE, shares[arm])), "reports/words": 41.2} if arm in shares else {} for arm in arms]
    return frame.assign(measures=pd.Series(said, index=frame.index, dtype=object))


def report_arms() -> tuple[pd.DataFrame, pd.DataFrame, TableSpec]:
    """Arms that differ in their reports, one without any; below them the rows without images, «text only» too."""
    names = {4: "template", 8: "llm ×4", 16: "no text"}
    frame = grid(tokens=tuple(names), fractions=(1.0,)).rename(columns={"method.tokens": "reports"})
    frame["reports"] = frame["reports"].map(names)
    frame = measured(frame, frame["reports"])
    hit = ((frame["reports"] == "llm ×4") & (frame["seed"] == 2)).to_numpy().nonzero()[0]
    for i in hit:  # a seed of its own draws other texts
        frame.at[i, "measures"] = {**frame.at[i, "measures"], "reports/omitted": 0.131}
    below = no_image(fractions=(1.0,)).drop(columns="eval.fraction")
    texts = below[below["baseline"] == "metadata"].assign(baseline="text")
    texts = pd.concat([texts.assign(reports=arm, key=texts["key"] + arm[0]) for arm in SHARES], ignore_index=True)
    better = 0.1 + 0.335 * (texts["task"] == "mass")
    texts[METRIC] = (texts[METRIC] + better).round(6)
    texts["draws"] = [np.clip(draws + np.float32(b), 0, 1) for draws, b in zip(texts["draws"], better)]
    below = pd.concat([measured(below, pd.Series([""] * len(below))), measured(texts, texts["reports"])])
    asked = {"rows": ["reports"], "columns": ["task"], "reference": {"reports": "template"}, "beside": BESIDE}
    question = "Does it matter how a report is worded?"
    return frame, below.reset_index(drop=True), spec(**asked, question=question, ablation="report_source")
