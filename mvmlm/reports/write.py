"""Reports of a whole breast table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields as fields_of
from typing import Any

import pandas as pd

from mvmlm.errors import ConfigError, DataError
from mvmlm.registry import did_you_mean
from mvmlm.reports.guard import allowed_fields
from mvmlm.reports.record import Record, record_from_breast
from mvmlm.reports.source import SOURCES, Source


def write_reports(
    breasts: pd.DataFrame,
    reader: Any,
    source: str,
    fields: Iterable[str] | None = None,
    options: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """One report a breast.

    Parameters
    ----------
    breasts : DataFrame
        A breast table (index ``breast_id``). Give it training patients only: nothing here knows of splits.
    reader : dataset reader
        Whose allow-list holds; see `mvmlm.reports.guard.allowed_fields`.
    source : str
        A name of `SOURCES`.
    fields : iterable of str, optional
        The fields that enter; by default all that the data set allows except laterality.
    options : mapping, optional
        The source's settings.

    Returns
    -------
    DataFrame
        Columns ``breast_id`` and ``text``, in the order of ``breasts``; the same input gives the same texts.

    Raises
    ------
    ConfigError
        If the source, an option or a field is unknown or refused.
    DataError
        If breasts have values that no report can say; counted, with up to three named.
    """
    writer = make_source(source, options)
    records = _records(breasts, allowed_fields(reader, fields))
    texts = writer.write(records)
    return pd.DataFrame({"breast_id": breasts.index.astype(str), "text": pd.Series(texts, dtype="string")})


def make_source(name: str, options: Mapping[str, Any] | None = None) -> Source:
    """The source called ``name`` with its settings; an unknown one of either is a `ConfigError`."""
    kind = SOURCES.get(name)
    known = [f.name for f in fields_of(kind.Options)]
    for option in options or {}:
        if option not in known:
            hint = did_you_mean(option, known)
            has = ", ".join(known) or "none"
            raise ConfigError(f"report source {name!r} has no option {option!r}{hint} (it has: {has})")
    return kind(kind.Options(**(options or {})))


def _records(breasts: pd.DataFrame, fields: tuple[str, ...]) -> list[Record]:
    absent = [field for field in fields if field not in breasts.columns]
    if absent:
        raise DataError(f"the breast table lacks columns that the reports need: {', '.join(absent)}")
    records: list[Record] = []
    wrong: list[str] = []
    for breast_id, row in zip(breasts.index, breasts[list(fields)].to_dict("records")):
        try:
            records.append(record_from_breast(row, fields))
        except DataError as error:
            wrong.append(f"{breast_id}: {error}")
    if wrong:
        examples = "; ".join(wrong[:3])
        raise DataError(f"{len(wrong)} of {len(breasts)} breasts cannot be put into a report, as {examples}")
    return records
