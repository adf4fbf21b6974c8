"""Texts that images are compared with, embedded by a method: prompts of classes, or reports of breasts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mvmlm.errors import DataError

FEATURES, TABLE, FACTS = "text_features.npy", "texts.parquet", "text_features.json"


@dataclass(frozen=True, eq=False)
class TextSet:
    """Embedded texts and whose they are.

    Attributes
    ----------
    table : DataFrame
        ``owner`` (a class, or a ``breast_id``), ``text`` and ``row`` (its row in ``features``); a text that several
        owners have is embedded once.
    features : ndarray, shape (n_distinct, E), float32
        L2-normalised.
    temperature : float or None
        At which the method compares, where it has one.
    """

    table: pd.DataFrame
    features: np.ndarray
    temperature: float | None = None

    @classmethod
    def of(cls, owners: list[str], texts: list[str], features: np.ndarray, temperature: float | None) -> TextSet:
        """Texts in any order, ``features`` being those of the distinct texts in the order of their first place."""
        rows = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        table = pd.DataFrame({"owner": owners, "text": texts, "row": [rows[text] for text in texts]})
        return cls(table, features, temperature)

    def owners(self) -> list[str]:
        """Each once, in the order of the table."""
        return list(dict.fromkeys(self.table["owner"]))

    def mean_of(self, owner: str) -> np.ndarray:
        """Mean of an owner's texts, brought to unit length, shape (E,), float64: the texts' directions count alike."""
        rows = self.table.loc[self.table["owner"] == owner, "row"].to_numpy()
        mean = self.features[rows].astype(np.float64).mean(axis=0)
        size = np.linalg.norm(mean)
        if not np.isfinite(size) or size == 0:
            raise DataError(f"the embedded texts of {owner} have no direction: the training diverged, train again")
        return mean / size

    def write(self, folder: Path) -> None:
        """Write ``text_features.npy``, ``texts.parquet`` and ``text_features.json``."""
        np.save(folder / FEATURES, self.features)
        self.table.to_parquet(folder / TABLE, index=False)
        (folder / FACTS).write_text(json.dumps({"temperature": self.temperature}))

    @classmethod
    def read(cls, folder: Path) -> TextSet:
        """Read what `write` wrote; a missing or damaged file is a `DataError`."""
        folder = Path(folder)
        try:
            said = json.loads((folder / FACTS).read_text())
            return cls(pd.read_parquet(folder / TABLE), np.load(folder / FEATURES), said["temperature"])
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise DataError(f"no whole embedded texts in {folder} ({' '.join(str(error).split())[:120]})") from error
