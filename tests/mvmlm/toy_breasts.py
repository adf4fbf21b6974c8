"""A few breasts of noise with reports and labels, in memory: what methods and training are tested on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from mvmlm.batch import Batch
from mvmlm.data.breast_batches import BreastData
from mvmlm.data.image_store import ImageStore
from mvmlm.methods import METHODS, Method, Shapes, build_method
from mvmlm.models.text_encoder import TextTokens

SIZE, LENGTH, WIDTH = (64, 48), 6, 8
LOSS = {
    "ii_weight": 1.0,
    "same_report": "mask",
    "same_patient": "mask",
    "temperature": 0.07,
    "learn_temperature": True,
}
SMALL = {"encoder": "test_resnet", "tokens": 4, "width": 16, "depth": 1, "heads": 2, "projection": 12}


def small_method(name: str, *, seed: int = 0, loss: dict | None = None, **options) -> Method:
    """The method ``name``, small: of `SMALL` it gets the options that it has."""
    kind = METHODS.get(name)
    known = {k: v for k, v in {**SMALL, **options}.items() if k in kind.Options.__dataclass_fields__}
    return build_method({"name": name, **known}, Shapes(SIZE, WIDTH, LENGTH), loss=loss or LOSS, seed=seed)


def small_batch(count: int = 6, *, missing: tuple[tuple[int, int], ...] = (), seed: int = 0) -> Batch:
    """Breasts of different patients with different reports; ``missing`` are (breast, view)."""
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(count, 2, 1, *SIZE, generator=random)
    mask = torch.ones(count, 2, dtype=torch.bool)
    for breast, view in missing:
        images[breast, view], mask[breast, view] = 0.0, False
    texts = [torch.randn(count, LENGTH, WIDTH, generator=random) for _ in range(2)]
    masks = [torch.arange(LENGTH) < torch.randint(2, LENGTH + 1, (count, 1), generator=random) for _ in range(2)]
    return Batch(
        images=images,
        view_mask=mask,
        patient=torch.arange(count),
        text=texts[0],
        text_mask=masks[0],
        other_text=texts[1],
        other_mask=masks[1],
        text_id=torch.arange(count),
        labels=(torch.arange(count) % 2).float(),
    )


def toy_store(count: int, *, missing: tuple[tuple[int, int], ...] = (), seed: int = 0):
    """A store and its breasts, two to a patient; the images of a breast are neighbours."""
    rows, views = [], np.full((count, 2), -1)
    for breast in range(count):
        for view in (0, 1):
            if (breast, view) not in missing:
                views[breast, view] = len(rows)
                rows.append(f"image_{breast}_{view}")
    pixels = np.random.default_rng(seed).integers(0, 65536, (len(rows), *SIZE)).astype(np.uint16)
    breasts = pd.DataFrame(
        {
            "patient_id": [f"p{b // 2}" for b in range(count)],
            "exam_id": [f"e{b // 2}" for b in range(count)],
            "cc": views[:, 0],
            "mlo": views[:, 1],
        },
        index=pd.Index([f"b{b}" for b in range(count)], name="breast_id"),
    )
    return ImageStore(pd.DataFrame({"image_id": rows}), pixels), breasts


def toy_text(count: int, seed: int = 0) -> TextTokens:
    """Token states of ``count`` reports."""
    random = np.random.default_rng(seed)
    tokens = random.standard_normal((count, LENGTH, WIDTH)).astype(np.float16)
    mask = np.arange(LENGTH) < random.integers(2, LENGTH + 1, (count, 1))
    texts = pd.DataFrame({"text_id": range(count), "text": [f"report {i}" for i in range(count)]})
    return TextTokens(tokens, mask, texts, dict(zip(texts["text"], texts["text_id"])))


def toy_data(count: int = 10, *, missing: tuple[tuple[int, int], ...] = (), seed: int = 0) -> BreastData:
    """Images, reports and labels of ``count`` breasts."""
    store, breasts = toy_store(count, missing=missing, seed=seed)
    return BreastData(
        store,
        breasts,
        text=toy_text(count, seed),
        text_ids=np.arange(count),
        labels=(np.arange(count) % 2).astype(np.float32),
        texts=2,
    )
