"""CBIS-DDSM's rows, one an abnormality, as labels of views."""

from __future__ import annotations

import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.errors import DataError
from mvmlm.reports.record import TERMS

KEY = ("patient_id", "laterality", "view")
IMAGE_LABELS = ("mass", "calcification", "asymmetry", "architectural_distortion") + (
    "mass_shape",
    "mass_margin",
    "calcification_morphology",
    "calcification_distribution",
)
PATHOLOGY = {"MALIGNANT": True, "BENIGN": False, "BENIGN_WITHOUT_CALLBACK": False}
ASSESSMENT = {str(category): category for category in range(6)}
DENSITY = {"0": pd.NA, "1": "A", "2": "B", "3": "C", "4": "D"}
#: Published column to descriptor, and published words to terms of the 5th edition (lobulated masses are oval there,
#: lucent-centred and eggshell calcifications are rim, punctate ones round).
WORDS: dict[str, tuple[str, dict[str, str]]] = {
    "mass shape": (
        "mass_shape",
        {"OVAL": "oval", "LOBULATED": "oval", "ROUND": "round", "IRREGULAR": "irregular"},
    ),
    "mass margins": (
        "mass_margin",
        {
            "CIRCUMSCRIBED": "circumscribed",
            "OBSCURED": "obscured",
            "MICROLOBULATED": "microlobulated",
            "ILL_DEFINED": "indistinct",
            "SPICULATED": "spiculated",
        },
    ),
    "calc type": (
        "calcification_morphology",
        {
            "SKIN": "skin",
            "VASCULAR": "vascular",
            "COARSE": "coarse or popcorn-like",
            "LARGE_RODLIKE": "large rod-like",
            "ROUND_AND_REGULAR": "round",
            "PUNCTATE": "round",
            "LUCENT_CENTER": "rim",
            "LUCENT_CENTERED": "rim",
            "EGGSHELL": "rim",
            "DYSTROPHIC": "dystrophic",
            "MILK_OF_CALCIUM": "milk of calcium",
            "AMORPHOUS": "amorphous",
            "PLEOMORPHIC": "fine pleomorphic",
            "FINE_LINEAR_BRANCHING": "fine linear or fine-linear branching",
        },
    ),
    "calc distribution": (
        "calcification_distribution",
        {
            "DIFFUSELY_SCATTERED": "diffuse",
            "REGIONAL": "regional",
            "CLUSTERED": "grouped",
            "LINEAR": "linear",
            "SEGMENTAL": "segmental",
        },
    ),
}
#: Label to the part of a mass's shape that makes it true.
SHAPES = {"asymmetry": "ASYMMETRIC", "architectural_distortion": "ARCHITECTURAL_DISTORTION"}


def label_views(given: pd.DataFrame, log: Log) -> pd.DataFrame:
    """Labels by `KEY`: what any abnormality of the view says, and of descriptors the gravest.

    Parameters
    ----------
    given : DataFrame
        One row an abnormality: `KEY`, ``category`` (mass or calcification), ``assessment, density, pathology``, and
        the columns of `WORDS`, NA where the row's table has no such column.

    Raises
    ------
    DataError
        When a cell of ``assessment``, ``density`` or ``pathology`` is none of the published values.
    """
    rows = given[[*KEY]].copy()
    for label in ("mass", "calcification"):
        rows[label] = (given["category"] == label).astype("boolean").mask(given["category"] != label)
    for label, part in SHAPES.items():
        named = given["mass shape"].str.contains(part).astype("boolean")
        rows[label] = named.mask(~named)
    rows["malignancy"] = _mapped(given, "pathology", PATHOLOGY).astype("boolean")
    rows["birads"] = _mapped(given, "assessment", ASSESSMENT).astype("Int64").replace(0, -1)
    density = _mapped(given, "density", DENSITY).astype("string")
    several, none = [], []
    for column, (descriptor, words) in WORDS.items():
        ranks = {word: TERMS[descriptor].index(term) for word, term in words.items()}
        found = (
            given[column].str.split("-").map(lambda parts, r=ranks: {r[p] for p in parts if p in r}, "ignore")
        )
        rows[descriptor] = found.map(lambda terms: max(terms, default=pd.NA), "ignore").astype("Int64")
        several += given.loc[found.map(len, "ignore") > 1, column].tolist()
        none += given.loc[found.map(len, "ignore") == 0, column].tolist()
    _tell(several, none, log)
    groups = rows.groupby(list(KEY))
    views = groups.max()
    views["birads"] = views["birads"].replace(-1, 0)
    views["density"] = _one_density(density, [given[name] for name in KEY], log)
    for descriptor, _ in WORDS.values():
        views[descriptor] = views[descriptor].map(dict(enumerate(TERMS[descriptor]))).astype("string")
    return views


def _mapped(given: pd.DataFrame, column: str, values: dict[str, object]) -> pd.Series:
    plain = given[column].str.removesuffix(".0")
    bad = plain[plain.notna() & ~plain.isin(list(values))]
    if len(bad):
        raise DataError(
            f"CBIS-DDSM: {column}: {len(bad)} cells are none of {', '.join(values)} (such as {bad.iloc[0]!r})"
        )
    return plain.map(values)


def _one_density(density: pd.Series, keys: list[pd.Series], log: Log) -> pd.Series:
    groups = density.groupby(keys)
    differ = int((groups.nunique() > 1).sum())
    if differ:
        log.note(f"{differ} views have rows that differ in density; the first one counts")
    return groups.first()


def _tell(several: list[str], none: list[str], log: Log) -> None:
    if several:
        log.note(f"{len(several)} descriptions hold several terms (such as {several[0]}); the gravest counts")
    if none:
        log.note(f"{len(none)} descriptions hold no term of BI-RADS (such as {none[0]}) and count as unknown")
