"""Breast tables made to order, for the tests of this folder."""

from __future__ import annotations

import numpy as np
import pandas as pd


def breast_table(
    n_patients: int = 60, *, prevalence: float = 0.3, seed: int = 0, test_share: int = 3
) -> pd.DataFrame:
    """Two breasts a patient; every ``test_share``-th patient is a test patient; labels are random."""
    rng = np.random.default_rng(seed)
    n = 2 * n_patients
    number = np.repeat(np.arange(n_patients), 2)
    side = np.tile(["L", "R"], n_patients)
    positive = rng.random(n) < prevalence
    table = pd.DataFrame(
        {
            "dataset": "made-up",
            "patient_id": [f"p{i:04d}" for i in number],
            "exam_id": [f"e{i:04d}" for i in number],
            "laterality": side,
            "split": pd.array(np.where(number % test_share == 0, "test", "train"), dtype="string"),
            "age": pd.array(rng.integers(40, 75, n).astype(float), dtype="Float64"),
            "birads": pd.array(rng.integers(1, 6, n), dtype="Int64"),
            "density": pd.array(rng.choice(list("ABCD"), n), dtype="string"),
            "mass": pd.array(positive, dtype="boolean"),
            "calcification": pd.array(rng.random(n) < prevalence, dtype="boolean"),
            "malignancy": pd.array(positive, dtype="boolean"),
            "malignancy_source": pd.array(["birads"] * n, dtype="string"),
            "manufacturer": pd.array(rng.choice(["A", "B"], n), dtype="string"),
            "cc": 2 * np.arange(n),
            "mlo": 2 * np.arange(n) + 1,
            "n_views": 2,
        }
    )
    table.index = pd.Index([f"e{i:04d}_{s}" for i, s in zip(number, side, strict=True)], name="breast_id")
    return table


def features_for(breasts: pd.DataFrame, *, width: int = 12, signal: float = 1.5, seed: int = 0) -> np.ndarray:
    """Noise with the label of task mass in the first feature, shape (n_breasts, width), float32."""
    features = np.random.default_rng([seed, 1]).standard_normal((len(breasts), width))
    features[:, 0] += signal * breasts["mass"].fillna(False).to_numpy(dtype=float)
    return features.astype(np.float32)
