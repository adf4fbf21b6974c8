"""Batches of breasts for training: both views together, shuffled and augmented by seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from mvmlm.batch import Batch

if TYPE_CHECKING:
    from mvmlm.data.image_store import ImageStore
    from mvmlm.models.text_encoder import TextTokens

AHEAD = 2


@dataclass(frozen=True)
class Augmentation:
    """Random change of each image; no mirroring, as images are brought to one side beforehand.

    Attributes
    ----------
    shift : float
        Largest shift as a share of each side; what comes in is black.
    intensity : float
        Largest relative change of the gain.
    """

    shift: float = 0.0
    intensity: float = 0.0

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Images (k, H, W) in [0, 1] to as many changed ones."""
        count, height, width = images.shape
        down = rng.integers(-int(self.shift * height), int(self.shift * height), count, endpoint=True)
        right = rng.integers(-int(self.shift * width), int(self.shift * width), count, endpoint=True)
        gain = 1.0 + rng.uniform(-self.intensity, self.intensity, count).astype(np.float32)
        changed = np.zeros_like(images)
        for i, (dy, dx) in enumerate(zip(down, right)):
            source = images[i, max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
            changed[i, max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)] = source * gain[i]
        return np.clip(changed, 0.0, 1.0, out=changed)


class BreastData:
    """The breasts that a training reads.

    Parameters
    ----------
    store : ImageStore
    breasts : DataFrame
        With ``patient_id`` and ``cc``, ``mlo``: rows of the store, −1 where a view is missing. Breasts with
        neither view are left out.
    text : TextTokens, optional
        With ``text_ids``, shape (n,), the row of each breast's report.
    labels : ndarray, shape (n,), float32, optional
        NaN is unknown.
    """

    def __init__(
        self,
        store: ImageStore,
        breasts: pd.DataFrame,
        *,
        text: TextTokens | None = None,
        text_ids: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ) -> None:
        views = breasts[["cc", "mlo"]].to_numpy(np.int64)
        there = (views >= 0).any(axis=1)
        self.store, self.text = store, text
        self.views = views[there]
        self.patient = pd.factorize(breasts["patient_id"][there])[0].astype(np.int64)
        self.text_ids = None if text_ids is None else np.asarray(text_ids, np.int64)[there]
        self.labels = None if labels is None else np.asarray(labels, np.float32)[there]

    def __len__(self) -> int:
        return len(self.views)

    def image_ids(self, rows: np.ndarray) -> list[str]:
        """Names of the images of some breasts, for messages."""
        used = self.views[rows]
        return [str(i) for i in self.store.exams["image_id"].iloc[used[used >= 0]]]

    def order(self, batch_size: int, rng: np.random.Generator | None) -> list[np.ndarray]:
        """Rows of each batch of an epoch.

        Sizes differ by one at most. None is above ``batch_size``, unless that would leave a breast by itself:
        contrast and batch statistics need two.
        """
        rows = np.arange(len(self)) if rng is None else rng.permutation(len(self))
        count = min(-(-len(rows) // batch_size), max(1, len(rows) // 2))
        return np.array_split(rows, count)

    def batch(self, rows: np.ndarray, augment: Augmentation | None, rng: np.random.Generator | None) -> Batch:
        """The breasts at ``rows``."""
        views = self.views[rows]
        mask = views >= 0
        images = np.zeros((*views.shape, *self.store.image_size), np.float32)
        found = self.store.read(views[mask])[:, 0]
        images[mask] = augment(found, rng) if augment else found
        text = text_mask = None
        if self.text is not None:
            ids = self.text_ids[rows]
            text = torch.from_numpy(np.asarray(self.text.tokens[ids], np.float32))
            text_mask = torch.from_numpy(self.text.mask[ids])
        return Batch(
            images=torch.from_numpy(images)[:, :, None],
            view_mask=torch.from_numpy(mask),
            patient=torch.from_numpy(self.patient[rows]),
            text=text,
            text_mask=text_mask,
            text_id=None if self.text_ids is None else torch.from_numpy(self.text_ids[rows]),
            labels=None if self.labels is None else torch.from_numpy(self.labels[rows]),
        )

    def epoch(
        self, batch_size: int, *, seed: int, epoch: int, augment: Augmentation | None = None, workers: int = 0
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Shuffled batches of one epoch.

        Order and augmentation follow from ``seed`` and ``epoch`` alone: arms with the same data see the same
        images in the same order, and a resumed training sees what an uninterrupted one would have.

        Parameters
        ----------
        workers : int
            Threads that prepare batches ahead; they change nothing but the speed.
        """
        order = self.order(batch_size, np.random.default_rng([seed, epoch, 0]))

        def make(step: int) -> Batch:
            return self.batch(order[step], augment, np.random.default_rng([seed, epoch, step + 1]))

        if not workers:
            for step, rows in enumerate(order):
                yield rows, make(step)
            return
        with ThreadPoolExecutor(workers) as pool:
            ahead: list[Future[Batch]] = [
                pool.submit(make, s) for s in range(min(workers * AHEAD, len(order)))
            ]
            for step, rows in enumerate(order):
                batch = ahead.pop(0).result()
                if step + workers * AHEAD < len(order):
                    ahead.append(pool.submit(make, step + workers * AHEAD))
                yield rows, batch
