"""The structured annotations of one breast, in the terms of BI-RADS (5th edition)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import pandas as pd

from mvmlm.errors import ConfigError, DataError
from mvmlm.registry import did_you_mean

FINDINGS = ("mass", "calcification", "asymmetry", "architectural_distortion")

#: A quadrant where both views show the finding; a half where one does: CC tells outer from inner, MLO upper from lower.
_LOCATIONS = ("upper outer", "upper inner", "lower outer", "lower inner", "upper", "lower", "outer", "inner")
_DEPTHS = ("anterior", "middle", "posterior")

#: ACR BI-RADS Atlas, 5th edition (2013), mammography lexicon.
TERMS: dict[str, tuple[str, ...]] = {
    "laterality": ("L", "R"),
    "density": ("A", "B", "C", "D"),
    "mass_shape": ("oval", "round", "irregular"),
    "mass_margin": ("circumscribed", "obscured", "microlobulated", "indistinct", "spiculated"),
    "mass_density": ("high", "equal", "low", "fat-containing"),
    "mass_location": _LOCATIONS,
    "mass_depth": _DEPTHS,
    "calcification_morphology": (
        "skin", "vascular", "coarse or popcorn-like", "large rod-like", "round", "rim", "dystrophic",
        "milk of calcium", "suture", "amorphous", "coarse heterogeneous", "fine pleomorphic",
        "fine linear or fine-linear branching",
    ),
    "calcification_distribution": ("diffuse", "regional", "grouped", "linear", "segmental"),
    "calcification_location": _LOCATIONS,
    "calcification_depth": _DEPTHS,
}  # fmt: skip

#: The finding that a descriptor describes: it cannot be absent where the descriptor is known.
DESCRIBES = {
    "mass_shape": "mass",
    "mass_margin": "mass",
    "mass_density": "mass",
    "mass_size": "mass",
    "mass_location": "mass",
    "mass_depth": "mass",
    "calcification_morphology": "calcification",
    "calcification_distribution": "calcification",
    "calcification_location": "calcification",
    "calcification_depth": "calcification",
}

#: What earlier editions and published tables call a term of the 5th edition.
_SYNONYMS: dict[str, dict[str, str]] = {
    "mass_shape": {"lobulated": "oval", "lobular": "oval"},
    "mass_margin": {"well-defined": "circumscribed", "smooth": "circumscribed", "ill-defined": "indistinct"},
    "mass_density": {
        "isodense": "equal",
        "medium": "equal",
        "fat containing": "fat-containing",
        "radiolucent": "fat-containing",
    },
    "calcification_morphology": {
        "pleomorphic": "fine pleomorphic",
        "punctate": "round",
        "coarse": "coarse or popcorn-like",
        "popcorn": "coarse or popcorn-like",
        "popcorn-like": "coarse or popcorn-like",
        "fine linear": "fine linear or fine-linear branching",
        "fine linear branching": "fine linear or fine-linear branching",
        "fine-linear branching": "fine linear or fine-linear branching",
    },
    "calcification_distribution": {"clustered": "grouped", "scattered": "diffuse"},
}
_LARGEST = {"age": 130, "birads": 5, "n_views": 1000, "mass_size": 250}
_SMALLEST = {"n_views": 1, "mass_size": 1}


@dataclass(frozen=True)
class Record:
    """What is known of one breast. ``None`` is unknown, which is not the same as absent.

    Attributes
    ----------
    laterality : {"L", "R"}, optional
    n_views : int, optional
        Number of images of the breast in its exam.
    age : int, optional
        Completed years.
    density : {"A", "B", "C", "D"}, optional
        Breast composition.
    prior : bool, optional
        Whether an earlier exam of the patient is at hand.
    implant : bool, optional
    mass, calcification, asymmetry, architectural_distortion : bool, optional
        True: seen. False: looked for and absent.
    mass_shape, mass_margin, mass_density, mass_location, mass_depth : str, optional
        Terms of `TERMS`. Where there are several masses, the largest is described.
    mass_size : int, 1 to 250, optional
        Longest side as marked [mm].
    calcification_morphology, calcification_distribution, calcification_location, calcification_depth : str, optional
        Terms of `TERMS`.
    birads : int, 0 to 5, optional
        Assessment category. Category 6 says that a biopsy has proven cancer, which is an outcome and
        nothing that the image shows: `record_from_breast` reads it as unknown.

    Raises
    ------
    DataError
        If a value is outside its range or list, or describes a finding that is absent.
    """

    laterality: str | None = None
    n_views: int | None = None
    age: int | None = None
    density: str | None = None
    prior: bool | None = None
    implant: bool | None = None
    mass: bool | None = None
    mass_shape: str | None = None
    mass_margin: str | None = None
    mass_density: str | None = None
    mass_size: int | None = None
    mass_location: str | None = None
    mass_depth: str | None = None
    calcification: bool | None = None
    calcification_morphology: str | None = None
    calcification_distribution: str | None = None
    calcification_location: str | None = None
    calcification_depth: str | None = None
    asymmetry: bool | None = None
    architectural_distortion: bool | None = None
    birads: int | None = None

    def __post_init__(self) -> None:
        for field, high in _LARGEST.items():
            value, low = getattr(self, field), _SMALLEST.get(field, 0)
            if value is not None and not low <= value <= high:
                raise DataError(f"{field}: {value} is not within {low} to {high}")
        for field, terms in TERMS.items():
            value = getattr(self, field)
            if value is not None and value not in terms:
                hint = did_you_mean(value, terms)
                raise DataError(f"{field}: {value!r} is not a BI-RADS term{hint} (known: {', '.join(terms)})")
        for field, finding in DESCRIBES.items():
            if getattr(self, field) is not None and getattr(self, finding) is False:
                raise DataError(f"{field}: {getattr(self, field)!r} is given, but {finding} is absent")

    def known(self) -> dict[str, Any]:
        """Field to value, without the unknown ones, in the order of the fields."""
        values = ((field, getattr(self, field)) for field in RECORD_FIELDS)
        return {field: value for field, value in values if value is not None}

    def seen(self, finding: str) -> bool | None:
        """Whether ``finding`` is there: as labelled, or True where only its description is known."""
        labelled = getattr(self, finding)
        described = any(getattr(self, f) is not None for f, of in DESCRIBES.items() if of == finding)
        return True if described else labelled


RECORD_FIELDS: tuple[str, ...] = tuple(f.name for f in fields(Record))


def record_from_breast(row: Mapping[str, Any] | pd.Series, record_fields: Iterable[str]) -> Record:
    """The record of one row of the breast table, holding ``record_fields`` and nothing else.

    Parameters
    ----------
    row : mapping or Series
        One row of `mvmlm.data.exam_table.breast_table`.
    record_fields : iterable of str
        The fields that may enter, as `mvmlm.reports.guard.allowed_fields` gives them.

    Raises
    ------
    ConfigError
        If a field is none of `RECORD_FIELDS`.
    DataError
        If the row lacks a field's column or holds a value that is not of its kind.
    """
    values: dict[str, Any] = {}
    for field in record_fields:
        if field not in RECORD_FIELDS:
            hint = did_you_mean(field, RECORD_FIELDS)
            raise ConfigError(f"{field!r} is no field of a record{hint} (known: {', '.join(RECORD_FIELDS)})")
        if field not in row:
            raise DataError(f"the breast table has no column {field!r}")
        value = row[field]
        values[field] = None if pd.isna(value) or value == "" else _PARSERS[field](field, value)
    return Record(**values)


def _whole(field: str, value: Any) -> int:
    try:
        return int(float(value))
    except (TypeError, ValueError):
        raise DataError(f"{field}: {value!r} is not a number") from None


def _birads(field: str, value: Any) -> int | None:
    category = _whole(field, value)
    return None if category == 6 else category


def _letter(field: str, value: Any) -> str:
    return str(value).strip().upper()


def _truth(field: str, value: Any) -> bool:
    if value in (True, False):
        return bool(value)
    raise DataError(f"{field}: {value!r} is neither true nor false")


def _term(field: str, value: Any) -> str:
    word = " ".join(str(value).lower().replace("_", " ").split())
    return _SYNONYMS.get(field, {}).get(word, word)


_PARSERS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("n_views", "age"), _whole),
    **dict.fromkeys(("laterality", "density"), _letter),
    **dict.fromkeys((*FINDINGS, "prior", "implant"), _truth),
    **dict.fromkeys(DESCRIBES, _term),
    "mass_size": _whole,
    "birads": _birads,
}
