"""Batches of breasts for training: both views together, shuffled by seed and epoch alone, shared among ranks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch

from mvmlm.batch import Batch
from mvmlm.errors import ConfigError

if TYPE_CHECKING:
    from mvmlm.data.image_store import ImageStore
    from mvmlm.models.text_encoder import TextTokens

AHEAD = 1  # batches that wait, beside those that threads are making


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

    def batch(self, rows: np.ndarray, *, pin: bool = False) -> Batch:
        """The breasts at ``rows``; images as stored, until `Batch.to`.

        Parameters
        ----------
        pin : bool
            Whether the images lie in memory from which a GPU can fetch them by itself.
        """
        views = self.views[rows]
        text = text_mask = None
        if self.text is not None:
            ids = self.text_ids[rows]
            text = torch.from_numpy(np.asarray(self.text.tokens[ids], np.float32))
            text_mask = torch.from_numpy(self.text.mask[ids])
        return Batch(
            images=self._images(views, pin),
            view_mask=torch.from_numpy(views >= 0),
            patient=torch.from_numpy(self.patient[rows]),
            text=text,
            text_mask=text_mask,
            text_id=None if self.text_ids is None else torch.from_numpy(self.text_ids[rows]),
            labels=None if self.labels is None else torch.from_numpy(self.labels[rows]),
        )

    def _images(self, views: np.ndarray, pin: bool) -> torch.Tensor:
        """Each image copied once, from the file's pages to its place in the batch."""
        images = torch.empty(*views.shape, 1, *self.store.image_size, dtype=torch.uint16, pin_memory=pin)
        places = images.numpy().reshape(-1, *self.store.image_size)
        for place, row in zip(places, views.ravel().tolist()):
            if row >= 0:
                np.copyto(place, self.store.pixels[row])
            else:
                place.fill(0)
        return images

    def epoch(
        self,
        batch_size: int,
        *,
        seed: int,
        epoch: int,
        workers: int = 0,
        rank: int = 0,
        world_size: int = 1,
        pin: bool = False,
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """Shuffled batches of one epoch, with the rows of their breasts.

        The order follows from ``seed`` and ``epoch`` alone: arms with the same data see the same images in the same
        order, and a resumed training sees what an uninterrupted one would have.

        Parameters
        ----------
        batch_size : int
            Of all ranks together.
        workers : int
            Threads that prepare batches ahead; they change nothing but the speed.
        rank, world_size : int
            Each of ``world_size`` processes gets its share of every batch: as many batches as the others, and one
            breast more or less in each. All shares together are the batch of one process.
        pin : bool
            See `batch`.

        Raises
        ------
        ConfigError
            When a batch has fewer breasts than there are ranks.
        """
        order = self.order(batch_size, np.random.default_rng([seed, epoch, 0]))
        if min(map(len, order)) < world_size:
            raise ConfigError(
                f"train.batch_size={batch_size}: a batch of {min(map(len, order))} breasts cannot be shared by "
                f"{world_size} processes; make it larger, or take fewer"
            )
        mine = [np.array_split(rows, world_size)[rank] for rows in order]
        if not workers:
            for rows in mine:
                yield rows, self.batch(rows, pin=pin)
            return
        with ThreadPoolExecutor(workers) as pool:
            coming = iter(mine)
            ahead: deque[tuple[np.ndarray, Future[Batch]]] = deque()
            while True:
                for rows in islice(coming, workers + AHEAD - len(ahead)):
                    ahead.append((rows, pool.submit(self.batch, rows, pin=pin)))
                if not ahead:
                    return
                rows, batch = ahead.popleft()
                yield rows, batch.result()
