"""How learnable the simulated labels are: AUC against image resolution, and against training size.

    python -m tests.benchmarks.phantom_learnability [--quick]

Simulated exams are written, read and preprocessed as the pipeline does it; then a tiny network is trained with
labels, from scratch, on one CPU thread. Beside it stands a detector that learns nothing: how bright the fifth
brightest spot of a view is.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import timm
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional

from mvmlm.data.build_store import build_image_store
from mvmlm.data.exam_table import breast_table
from mvmlm.data.image_store import ImageStore
from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.readers import DATASETS

TASKS = ("mass", "calcification", "malignancy")
RESOLUTIONS = ((128, 80), (256, 160), (384, 240))
SIZES = (100, 200, 400)
ENCODER = "test_efficientnet_gn"
BATCH, STEPS, RATE = 16, 240, 2e-3


@dataclass(frozen=True)
class Data:
    """Images (n, 2, H, W) and labels (n, 3) of the breasts, training ones first, and how many those are."""

    images: torch.Tensor
    labels: torch.Tensor
    train: int


def prepare(folder: Path, exams: int, size: tuple[int, int]) -> Data:
    """The breasts of the simulated set at one resolution, through reader and image store."""
    reader = DATASETS.get("phantom")()
    options = PhantomOptions(exams=exams, test_share=0.4)
    root = folder / "exams"
    if not root.exists():
        reader.generate(root, options)
    out = folder / f"{size[0]}x{size[1]}"
    build_image_store(reader.read(root, options), root, out, height=size[0], width=size[1])
    store = ImageStore.open(out)
    breasts = breast_table(store.exams).sort_values("split", ascending=False, kind="stable")
    images = np.stack([store.read(breasts[view].to_numpy())[:, 0] for view in ("cc", "mlo")], axis=1)
    labels = breasts[list(TASKS)].to_numpy(np.float32)
    return Data(torch.from_numpy(images), torch.from_numpy(labels), int((breasts["split"] == "train").sum()))


def train_and_score(data: Data, size: int, steps: int, seed: int = 0) -> list[float]:
    """AUC of each task on the test breasts after ``steps`` steps on the first ``size`` training breasts."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    body = timm.create_model(ENCODER, in_chans=1, num_classes=0, global_pool="")
    head = torch.nn.Linear(body.num_features, len(TASKS))
    weights = [*body.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(weights, lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.15)

    def logits(images: torch.Tensor) -> torch.Tensor:
        features = body((images.flatten(0, 1)[:, None] - 0.25) / 0.25).amax((2, 3))
        return head(features.view(len(images), 2, -1).amax(1))

    for chosen in batches(rng, size, steps):
        images = data.images[chosen].flip(-2) if rng.random() < 0.5 else data.images[chosen]
        loss = functional.binary_cross_entropy_with_logits(logits(images), data.labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    body.eval()
    with torch.no_grad():
        scores = torch.cat([logits(part) for part in data.images[data.train :].split(32)]).numpy()
    return aucs(data, scores)


def batches(rng: np.random.Generator, size: int, steps: int):
    """``steps`` random batches out of ``size`` breasts, epoch by epoch."""
    order = np.concatenate([rng.permutation(size) for _ in range(-(-steps * BATCH // size))])
    return (order[i * BATCH : (i + 1) * BATCH] for i in range(steps))


def spot_score(data: Data) -> list[float]:
    """AUC of the fifth brightest spot over its surroundings, mean of both views: nothing is learnt."""
    scores = [np.mean([fifth_spot(view.numpy()) for view in breast]) for breast in data.images[data.train :]]
    return aucs(data, np.repeat(np.array(scores)[:, None], len(TASKS), axis=1))


def fifth_spot(image: np.ndarray) -> float:
    """Height of the fifth highest local maximum of an image over its blurred self, away from the skin."""
    over = image - cv2.GaussianBlur(image, (0, 0), 1.5)
    inner = cv2.erode((image > 0.02).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    peaks = over[inner & (over == cv2.dilate(over, np.ones((3, 3), np.uint8)))]
    return float(np.sort(peaks)[-5])


def aucs(data: Data, scores: np.ndarray) -> list[float]:
    """AUC of each task's column of ``scores`` over the test breasts."""
    truth = data.labels[data.train :].numpy()
    return [float(roc_auc_score(truth[:, k], scores[:, k])) for k in range(len(TASKS))]


def measure(exams: int, steps: int) -> pd.DataFrame:
    """The table: one row a resolution and training size, and one a resolution for the detector."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for size in RESOLUTIONS:
            data = prepare(Path(folder), exams, size)
            name = f"{size[0]}×{size[1]}"
            rows.append((name, "spots, nothing learnt", 0, *spot_score(data), 0.0))
            largest = min(data.train, SIZES[-1])
            for count in SIZES if size == RESOLUTIONS[1] else (largest,):
                started = time.perf_counter()
                found = train_and_score(data, min(count, largest), steps)
                rows.append((name, ENCODER, min(count, largest), *found, time.perf_counter() - started))
                print(f"{name} {count}: " + ", ".join(f"{t} {a:.3f}" for t, a in zip(TASKS, found)), flush=True)
    return pd.DataFrame(rows, columns=["resolution", "by", "breasts", *TASKS, "seconds"])


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few exams and steps: shows that it runs")
    quick = parser.parse_args(arguments or []).quick
    torch.set_num_threads(1)
    table = measure(30 if quick else 360, 4 if quick else STEPS)
    print(table.to_string(index=False, float_format=lambda x: f"{x:.3f}"))


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
