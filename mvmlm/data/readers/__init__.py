"""One reader a data set: from a folder in the set's own published layout to an exam table."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from mvmlm.errors import DataError
from mvmlm.registry import Registry, did_you_mean

DATASETS: Registry[type] = Registry(
    "data set", packages=("mvmlm.data.readers",), entry_points="mvmlm.datasets"
)


class Reader(ABC):
    """Base of the readers.

    Attributes
    ----------
    title, licence, where : str
        For people: what it is, under which licence, how to get it.
    simulated : bool
        Whether the images are made by this project.
    releasable : bool or None
        Whether weights and embeddings trained on it may be released; None where only the user can know.
    tasks : tuple of str
        Tasks that its labels serve.
    report_fields : frozenset of str
        Fields that may enter a report.
    outcome_fields : frozenset of str
        Fields that record an outcome and never may.
    Options : dataclass
        The reader's own options.
    """

    @dataclass(frozen=True)
    class Options:
        """This reader has none."""

    name: ClassVar[str]
    title: ClassVar[str]
    simulated: ClassVar[bool] = False
    licence: ClassVar[str]
    where: ClassVar[str]
    releasable: ClassVar[bool | None] = None
    tasks: ClassVar[tuple[str, ...]] = ()
    report_fields: ClassVar[frozenset[str]]
    outcome_fields: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def read(self, root: Path, options: Any) -> pd.DataFrame:
        """The validated exam table.

        Raises
        ------
        DataError
            When the folder or a table is missing, or a table is not as published.
        """

    @classmethod
    @abstractmethod
    def fingerprint(cls, root: Path | None, options: Any) -> str:
        """A cheap digest of what the data are: tables by their bytes, images by name and size."""


def digest(root: Path, tables: Iterable[Path], images: Iterable[Path], options: Any) -> str:
    """SHA-256 over options, bytes of tables, and names and sizes of images (20 hexadecimal digits)."""
    found = hashlib.sha256(json.dumps(asdict(options), sort_keys=True).encode())
    for table in tables:
        found.update(table.name.encode() + b"\0" + table.read_bytes())
    for image in sorted(images):
        found.update(f"{image.relative_to(root).as_posix()}\0{image.stat().st_size}\0".encode())
    return found.hexdigest()[:20]


def read_csv(path: Path, columns: Iterable[str], **arguments: Any) -> pd.DataFrame:
    """A table whose columns are checked.

    Raises
    ------
    DataError
        When it is not there, is no table, or lacks a column.
    """
    try:
        table = pd.read_csv(path, **arguments)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; data.root must be the folder as it was published") from error
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path}: is no table ({' '.join(str(error).split())[:120]})") from error
    for column in columns:
        if column not in table:
            hint = did_you_mean(column, map(str, table.columns))
            raise DataError(
                f"{path}: has no column {column!r}{hint} (it has: {', '.join(map(str, table.columns))})"
            )
    return table
