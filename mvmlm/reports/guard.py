"""Which fields of a data set may enter a report: what a radiologist sees, never what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mvmlm.errors import ConfigError
from mvmlm.registry import did_you_mean
from mvmlm.reports.record import DESCRIBES, RECORD_FIELDS

#: Columns that record the outcome in any data set, whatever its own list says.
OUTCOMES = frozenset(
    {
        "malignancy", "pathology", "biopsy", "cancer", "invasive", "difficult_negative_case",
        "event", "years_to_event",
    }
)  # fmt: skip

#: Fields that a data set may allow and that are still left out until they are asked for by name.
#: Images are mirrored so that the chest wall is always on the left: «left breast» names something that no pixel shows
#: any more, and a model could only learn it as noise. Places are worked out from boxes by a rule of ours
#: (`mvmlm.data.findings_place`), and flips and crops make them untrue (`ablations/text_flip.yaml`).
ON_REQUEST = frozenset(
    {"laterality", "mass_location", "mass_depth", "calcification_location", "calcification_depth"}
)


def allowed_fields(reader: Any, fields: Iterable[str] | None = None) -> tuple[str, ...]:
    """The fields that may enter this data set's reports.

    Parameters
    ----------
    reader : dataset reader
        Its ``name``, ``report_fields`` and ``outcome_fields`` are read.
    fields : iterable of str, optional
        The fields asked for (``reports.fields``). By default all that the data set allows except
        `ON_REQUEST`.

    Returns
    -------
    tuple of str
        Sorted, without repeats.

    Raises
    ------
    ConfigError
        If a field asked for is an outcome, no field of a report at all, or not on the data set's list; if
        none is left; or if the data set's own list names an outcome or something that is no field.
    """
    _check_list(reader)
    chosen = reader.report_fields - ON_REQUEST if fields is None else set(fields)
    for field in sorted(chosen):
        why = _refusal(field, reader)
        if why:
            allowed = ", ".join(sorted(reader.report_fields)) or "none"
            raise ConfigError(f"reports.fields: {field!r} {why} ({reader.name} allows: {allowed})")
    if not chosen:
        raise ConfigError(f"reports.fields: none is left for {reader.name}; name at least one")
    return tuple(sorted(chosen))


def _check_list(reader: Any) -> None:
    leaks = sorted(reader.report_fields & (OUTCOMES | reader.outcome_fields))
    if leaks:
        raise ConfigError(f"data set {reader.name}: its report_fields name an outcome: {', '.join(leaks)}")
    strange = sorted(reader.report_fields - set(RECORD_FIELDS))
    if strange:
        raise ConfigError(
            f"data set {reader.name}: its report_fields name what no record has: {', '.join(strange)} "
            f"(a record has: {', '.join(RECORD_FIELDS)})"
        )


def _refusal(field: str, reader: Any) -> str | None:
    if field in OUTCOMES or field in reader.outcome_fields:
        return f"records the outcome in {reader.name}, not what a radiologist sees, and enters no report"
    if field not in RECORD_FIELDS:
        return f"is not a field of a report{did_you_mean(field, reader.report_fields)}"
    if field not in reader.report_fields:
        return f"is not on the list of fields that {reader.name} allows in a report"
    return None


def circular_tasks(
    fields: Iterable[str], columns: Iterable[str], malignancy_sources: Iterable[str] = ()
) -> dict[str, tuple[str, ...]]:
    """The tasks whose label can be read off the text, so that captions can say so.

    Parameters
    ----------
    fields : iterable of str
        The fields that the reports are made from.
    columns : iterable of str
        The tasks' label columns: ``"mass"``, ``"malignancy"``, ...
    malignancy_sources : iterable of str
        Values of the exam table's ``malignancy_source``. Where ``"birads"`` or ``"birads 6"`` is among them, malignancy
        is the BI-RADS category by another name.

    Returns
    -------
    dict
        Label column to the fields that give it away, sorted; columns that none gives away are left out.

    Examples
    --------
    >>> circular_tasks(["birads", "mass_shape"], ["mass", "malignancy"], ["birads"])
    {'malignancy': ('birads',), 'mass': ('mass_shape',)}
    """
    by_birads = bool({"birads", "birads 6"} & set(malignancy_sources))
    found: dict[str, tuple[str, ...]] = {}
    for column in sorted(set(columns)):
        telling = {field for field in fields if column in (field, DESCRIBES.get(field))}
        if column == "malignancy" and by_birads and "birads" in set(fields):
            telling.add("birads")
        if telling:
            found[column] = tuple(sorted(telling))
    return found
