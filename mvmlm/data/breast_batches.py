"""Batches of breasts for training: both views together, shuffled by seed and epoch alone, shared among ranks."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

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
        Index ``breast_id``; ``patient_id`` and ``cc``, ``mlo``: rows of the store, −1 where a view is missing. Breasts
        with neither view, or without a text where others have one, are left out.
    text : TextTokens, optional
        States or ids.
    text_ids : ndarray, shape (n,) or (n, k), int64, optional
        Rows of each breast's texts in ``text``, with −1 behind them where it has fewer than k. They rotate: in epoch e,
        from 1, a breast with m texts shows number (e − 1 + o) mod m, where o is a hash of its ``breast_id`` alone. So
        breasts of one record show different texts of it at a time, arms and resumed trainings see the same ones, and
        what other breasts there are plays no part.
    text_groups : ndarray, shape (rows of text,), int64, optional
        Texts of one number count as the same report, see `report_groups`; by default only equal texts do.
    labels : ndarray, shape (n,) or (n, …), float32, optional
        NaN is unknown.
    texts : int
        With 2, a batch brings the next text of each breast too, as ``other_text``.

    Attributes
    ----------
    columns : tuple of str
        Those of ``breasts`` that hold the views. A subclass with others has other rows, such as exams.
    """

    columns: ClassVar[tuple[str, ...]] = ("cc", "mlo")

    def __init__(
        self,
        store: ImageStore,
        breasts: pd.DataFrame,
        *,
        text: TextTokens | None = None,
        text_ids: np.ndarray | None = None,
        text_groups: np.ndarray | None = None,
        labels: np.ndarray | None = None,
        texts: int = 1,
    ) -> None:
        views = breasts[list(self.columns)].to_numpy(np.int64)
        there = (views >= 0).any(axis=1)
        if text_ids is not None:
            text_ids = np.asarray(text_ids, np.int64)
            text_ids = text_ids[:, None] if text_ids.ndim == 1 else text_ids
            there &= (text_ids >= 0).any(axis=1)
            text_ids = text_ids[there]
        self.store, self.text, self.text_ids, self.text_groups = store, text, text_ids, text_groups
        self.texts = texts
        self.turns = _turns(breasts.index[there])
        self.views = views[there]
        self.patient = pd.factorize(breasts["patient_id"][there])[0].astype(np.int64)
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

    def batch(self, rows: np.ndarray, *, epoch: int | None = None, pin: bool = False) -> Batch:
        """The breasts at ``rows``; images as stored, until `Batch.to`.

        Parameters
        ----------
        epoch : int, optional
            Which text of each breast is shown, from 1; by default its first one.
        pin : bool
            Whether the images lie in memory from which a GPU can fetch them by itself.
        """
        views = self.views[rows]
        text_id, states, others = None, (None, None), (None, None)
        if self.text_ids is not None:
            ids = self._shown(rows, epoch)
            text_id = torch.from_numpy(self._groups(ids))
        if self.text is not None:
            states = self._states(ids)
            others = self._states(self._shown(rows, epoch, after=1)) if self.texts > 1 else others
        return Batch(
            images=self._images(views, pin),
            view_mask=torch.from_numpy(views >= 0),
            patient=torch.from_numpy(self.patient[rows]),
            text=states[0],
            text_mask=states[1],
            text_id=text_id,
            labels=None if self.labels is None else torch.from_numpy(self.labels[rows]),
            other_text=others[0],
            other_mask=others[1],
        )

    def _shown(self, rows: np.ndarray, epoch: int | None, after: int = 0) -> np.ndarray:
        ids = self.text_ids[rows]
        turn = 0 if epoch is None else epoch - 1 + self.turns[rows]
        number = (turn + after) % (ids >= 0).sum(axis=1)
        return ids[np.arange(len(rows)), number]

    def _states(self, ids: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = np.asarray(self.text.tokens[ids])
        states = torch.from_numpy(tokens.astype(np.float32) if tokens.ndim == 3 else tokens)
        return states, torch.from_numpy(self.text.mask[ids])

    def _groups(self, ids: np.ndarray) -> np.ndarray:
        return ids if self.text_groups is None else self.text_groups[ids]

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

    def relations(self, rows: np.ndarray, *, epoch: int | None = None) -> Batch:
        """Who is who among the breasts at ``rows``, without images and texts: what a loss needs beside embeddings."""
        text_id = None
        if self.text_ids is not None:
            text_id = torch.from_numpy(self._groups(self._shown(rows, epoch)))
        return Batch(
            images=None,
            view_mask=torch.from_numpy(self.views[rows] >= 0),
            patient=torch.from_numpy(self.patient[rows]),
            text_id=text_id,
            labels=None if self.labels is None else torch.from_numpy(self.labels[rows]),
        )

    def shuffled(self, batch_size: int, *, seed: int, epoch: int, world_size: int = 1) -> list[np.ndarray]:
        """Rows of each batch of one epoch.

        The order follows from ``seed`` and ``epoch`` alone: arms with the same data see the same images in the same
        order, and a resumed training sees what an uninterrupted one would have.

        Parameters
        ----------
        batch_size : int
            Of all processes together.
        world_size : int
            Processes that share each batch.

        Raises
        ------
        ConfigError
            When a batch has fewer breasts than there are processes.
        """
        order = self.order(batch_size, np.random.default_rng([seed, epoch, 0]))
        if min(map(len, order)) < world_size:
            raise ConfigError(
                f"train.batch_size={batch_size}: a batch of {min(map(len, order))} breasts cannot be shared by "
                f"{world_size} processes; make it larger, or take fewer"
            )
        return order

    def stream(
        self, parts: Iterable[np.ndarray], *, epoch: int, workers: int = 0, pin: bool = False
    ) -> Iterator[Batch]:
        """The breasts of one group of rows after the other, as in `batch`.

        Parameters
        ----------
        workers : int
            Threads that prepare what comes next; they change nothing but the speed.
        """
        if not workers:
            for rows in parts:
                yield self.batch(rows, epoch=epoch, pin=pin)
            return
        with ThreadPoolExecutor(workers) as pool:
            coming = iter(parts)
            ahead: deque[Future[Batch]] = deque()
            try:
                while True:
                    for rows in islice(coming, workers + AHEAD - len(ahead)):
                        ahead.append(pool.submit(self.batch, rows, epoch=epoch, pin=pin))
                    if not ahead:
                        return
                    yield ahead.popleft().result()
            finally:
                for waiting in ahead:
                    waiting.cancel()

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
        """Shuffled batches of one epoch, with the rows of their breasts; see `shuffled` and `stream`.

        Parameters
        ----------
        rank, world_size : int
            Each of ``world_size`` processes gets its share of every batch: as many batches as the others, and one
            breast more or less in each. All shares together are the batch of one process.
        """
        order = self.shuffled(batch_size, seed=seed, epoch=epoch, world_size=world_size)
        mine = [share(rows, rank, world_size) for rows in order]
        yield from zip(mine, self.stream(mine, epoch=epoch, workers=workers, pin=pin))


def share(rows: np.ndarray, rank: int, world_size: int) -> np.ndarray:
    """What one of several processes has of a batch: contiguous, so that all shares in order are the batch."""
    return np.array_split(rows, world_size)[rank]


def report_groups(text_ids: np.ndarray, records: np.ndarray) -> np.ndarray:
    """Which texts count as the same report: those of one record, and the records that share a text.

    Parameters
    ----------
    text_ids, records : ndarray, shape (n,), int64
        Row of a text, and the record that it was made from; once for each breast that has it, or once in all.

    Returns
    -------
    ndarray, shape (largest row + 1,), int64
        For each row the smallest of all that count as the same: itself, where no record has two texts.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    texts, codes = int(text_ids.max(initial=-1)) + 1, pd.factorize(records)[0]
    nodes = texts + int(codes.max(initial=-1)) + 1
    links = coo_array((np.ones(len(codes)), (text_ids, texts + codes)), shape=(nodes, nodes))
    found = connected_components(links, directed=False)[1][:texts]
    return pd.Series(np.arange(texts)).groupby(found).transform("min").to_numpy(np.int64)


def _turns(breast_ids: Iterable[str]) -> np.ndarray:
    """Where in its texts each breast starts, int64: a hash of its id."""
    digests = (blake2b(str(breast).encode(), digest_size=4).digest() for breast in breast_ids)
    return np.array([int.from_bytes(digest, "little") for digest in digests], np.int64)
