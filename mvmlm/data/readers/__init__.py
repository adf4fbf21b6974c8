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

from mvmlm.data.intake import Intake, Log, leads_out, take_in
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
    labels : dict
        Column of the exam table to where it comes from: published column, rule, level. For people.
    layout : str
        One line: the files that a root must hold.
    published : dict
        What the set's own publication counts, by the names that `mvmlm.data.counts.counts` gives them
        (``"images"``, ``"breasts"``, ``"mass breasts"``, ``"test malignancy images"``, …).
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
    labels: ClassVar[dict[str, str]] = {}
    layout: ClassVar[str] = ""
    published: ClassVar[dict[str, int]] = {}

    @abstractmethod
    def rows(self, root: Path, options: Any, log: Log) -> pd.DataFrame:
        """The exam table's rows, one an image, not validated yet; what is left out goes to the log.

        Parameters
        ----------
        root : Path
            An existing folder.
        options : Options
        log : Log

        Raises
        ------
        DataError
            When a table is missing, or is not as published.
        """

    def take_in(self, root: Path | str, options: Any = None) -> Intake:
        """The exam table and what was set aside on the way.

        Raises
        ------
        DataError
            When the folder or a table is missing, or a table is not as published.
        """
        root = Path(root)
        if not root.is_dir():
            raise DataError(f"{root}: no such folder; data.root must hold {self.layout or self.title}")
        log = Log()
        return take_in(self.rows(root, self.Options() if options is None else options, log), log)

    def read(self, root: Path | str, options: Any = None) -> pd.DataFrame:
        """The exam table alone; raises as `take_in`."""
        return self.take_in(root, options).exams

    @classmethod
    @abstractmethod
    def fingerprint(cls, root: Path | None, options: Any) -> str:
        """A cheap digest of what the data are: tables by their bytes, images by name and size.

        Raises
        ------
        DataError
            When the folder or a table is missing.
        """


def digest(root: Path, tables: Iterable[Path], images: Iterable[Path], options: Any) -> str:
    """SHA-256 over options, bytes of tables, and names and sizes of images (20 hexadecimal digits).

    Raises
    ------
    DataError
        When a table is missing.
    """
    found = hashlib.sha256(json.dumps(asdict(options), sort_keys=True).encode())
    for table in tables:
        if not table.is_file():
            raise DataError(f"{table}: no such file; data.root must be the folder as it was published")
        found.update(table.name.encode() + b"\0" + table.read_bytes())
    for image in sorted(images):
        found.update(f"{image.relative_to(root).as_posix()}\0{image.stat().st_size}\0".encode())
    return found.hexdigest()[:20]


def clean_paths(paths: pd.Series) -> pd.Series:
    """Paths of a table as relative ones with forward slashes; those that lead out stay, to be set aside."""
    tidy = paths.astype("string").str.strip().str.replace("\\", "/", regex=False)
    return tidy.where(tidy.map(lambda p: not pd.isna(p) and leads_out(p)), tidy.str.removeprefix("./"))


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
    return with_columns(table, path, columns)


def with_columns(table: pd.DataFrame, path: Path, columns: Iterable[str]) -> pd.DataFrame:
    """The table, once it is seen to have these columns.

    Raises
    ------
    DataError
        When it lacks one; the nearest name that it has is said.
    """
    for column in columns:
        if column not in table:
            hint = did_you_mean(column, map(str, table.columns))
            raise DataError(
                f"{path}: has no column {column!r}{hint} (it has: {', '.join(map(str, table.columns))})"
            )
    return table
