"""What a protocol is given and what it returns, and the registry of protocols."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.npy import read_array
from mvmlm.evaluation.tasks import Task
from mvmlm.registry import Registry, did_you_mean

OptionsT = TypeVar("OptionsT")

#: First columns of `Evaluation.predictions`, whatever the protocol.
PREDICTION_COLUMNS = ("unit_id", "patient_id", "label", "score")


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One evaluated cell. Every number of a table can be computed again from ``predictions``.

    Attributes
    ----------
    predictions : DataFrame
        One row a unit of the level that is scored (a test breast, an exam), sorted by ``unit_id``:
        `PREDICTION_COLUMNS`, ``score`` float64, higher meaning more of the positive class. Of classes, ``p0``, ``p1``
        … are their probabilities and ``score`` the expected class; of risk, ``years`` is the time to event or to the
        end of follow-up, ``risk1`` … the probability of an event within so many years, and ``label`` whether there
        was one.
    metrics : dict
        Flat numbers. The first is the primary metric. A metric has its level in its name (``auc@breast``), and where
        its interval is known that follows under ``/low`` and ``/high``; other numbers have no ``@``.
    draws : dict
        Bootstrap draws of the metrics, shape (B,), float32, under their names; NaN where a draw leaves one undefined.
    details : dict
        How the numbers came about: settings, choices made on the way, what was left out. Plain JSON.
    """

    predictions: pd.DataFrame
    metrics: dict[str, float]
    draws: dict[str, np.ndarray]
    details: dict[str, Any]

    def write(self, folder: Path) -> None:
        """Write ``predictions.parquet``, ``metrics.json``, ``draws.npy`` (a field a metric) and ``details.json``."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.predictions.to_parquet(folder / "predictions.parquet", index=False)
        (folder / "metrics.json").write_text(json.dumps(self.metrics, indent=1))
        write_draws(folder / "draws.npy", self.draws)
        (folder / "details.json").write_text(json.dumps(self.details, indent=1))

    @classmethod
    def read(cls, folder: Path) -> Evaluation:
        """Read what `write` wrote.

        Raises
        ------
        DataError
            If a file is missing or cannot be read.
        """
        folder = Path(folder)
        try:
            return cls(
                predictions=pd.read_parquet(folder / "predictions.parquet"),
                metrics=json.loads((folder / "metrics.json").read_text()),
                draws=read_draws(folder / "draws.npy"),
                details=json.loads((folder / "details.json").read_text()),
            )
        except (OSError, ValueError, DataError) as error:  # pyarrow's and json's errors are ValueErrors
            raise DataError(f"no whole evaluation in {folder} ({error}): evaluate this cell again") from error


def read_draws(path: Path) -> dict[str, np.ndarray]:
    """Metric to its draws, shape (B,), float32, as `write_draws` wrote them.

    Raises
    ------
    DataError
        When it cannot be read, or is of an earlier version, which kept the draws of one metric without its name.
    """
    fields = read_array(path)
    if fields.dtype.names is None:
        raise DataError(f"{path}: draws of an earlier version, without the metric's name: evaluate this cell again")
    return {name: fields[name] for name in fields.dtype.names}


def write_draws(path: Path, draws: Mapping[str, np.ndarray]) -> None:
    """Write draws as one array with a named field a metric: a file that is read at once and says what is in it."""
    fields = np.empty(max(map(len, draws.values()), default=0), dtype=[(name, np.float32) for name in draws])
    for name, drawn in draws.items():
        fields[name] = drawn
    np.save(path, fields)


class Protocol(typing.Protocol):
    """A way to evaluate an encoder on a task from its cached features."""

    def __call__(
        self,
        features: np.ndarray,
        breasts: pd.DataFrame,
        task: Task,
        *,
        fraction: float,
        seed: int,
        options: Any,
    ) -> Evaluation:
        """Evaluate.

        Parameters
        ----------
        features : ndarray, shape (n_breasts, D)
            Rows as those of ``breasts``; NaN for a breast without a usable standard view.
        breasts : DataFrame
            The breast table, every ``split`` known.
        fraction : float
            Share of the training patients whose labels may be used, in (0, 1].
        seed : int
            Draws that share.
        options : mapping or dataclass, optional
            The protocol's settings.
        """


PROTOCOLS: Registry[Protocol] = Registry(
    "protocol", packages=("mvmlm.evaluation",), entry_points="mvmlm.protocols"
)


def as_options(kind: type[OptionsT], given: OptionsT | Mapping[str, Any] | None) -> OptionsT:
    """Settings as the dataclass ``kind``, from one, from a mapping, or the defaults for None.

    Raises
    ------
    ConfigError
        If the mapping has a key that ``kind`` lacks.
    """
    if isinstance(given, kind):
        return given
    known = [field.name for field in dataclasses.fields(kind)]
    for key in given or {}:
        if key not in known:
            raise ConfigError(f"unknown option {key!r}{did_you_mean(key, known)} (known: {', '.join(known)})")
    return kind(**(given or {}))
