"""CDD-CESM's texts and grades as labels: findings by their words, descriptors, BI-RADS, pathology."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from mvmlm.data.readers._cdd_cesm_tables import read_part
from mvmlm.errors import DataError
from mvmlm.reports.record import TERMS

PATHOLOGY = "Pathology Classification/ Follow up"
TRUTH = {"Malignant": True, "Benign": False, "Normal": False}
#: «No mass or non mass enhancement», «without …»: up to the next finding, comma or stop.
DENIED = r"\b(?:no|without)\b[^$,.;]*|\bnon[ -]?mass\b"
#: Label to the words that name it in Findings and Tags, as they are spelt there.
WORDS = {
    "mass": r"\b(?:mass(?:es)?|mas|nodules?)\b",
    "calcification": r"calc?ific",
    "asymmetry": r"\bas+[iy]m+et",
    "architectural_distortion": r"distort",
}
SHEETS = {
    "mass_shape": "Mass shape",
    "mass_margin": "Mass margin",
    "mass_density": "Mass density/enhancement pattern",
}
#: Words of a mass's density from the mildest to the gravest, and their terms; medium is what Findings say for equal.
DENSITIES = {"low": "low", "medium": "equal", "equal": "equal", "high": "high"}


def highest(cells: pd.Series, path: Path) -> pd.Series:
    """The highest BI-RADS category of each cell (``3$2`` is 3); ``_`` is unknown.

    Raises
    ------
    DataError
        When a cell is no list of categories 0 to 6.
    """
    plain = cells.str.removesuffix(".0").mask(cells == "_")
    bad = cells[plain.notna() & ~plain.str.fullmatch(r"[0-6](?:\$[0-6])*").fillna(True)]
    if len(bad):
        raise DataError(f"{path}: BIRADS: {len(bad)} cells cannot be read (such as {bad.iloc[0]!r})")
    categories = plain.str.findall(r"\d").map(lambda found: max(map(int, found)), na_action="ignore")
    return categories.astype("Int64")


def findings(said: pd.Series, tags: pd.Series, subtracted: pd.Series) -> dict[str, pd.Series]:
    """Labels by the words of Findings and Tags; unknown where both are empty.

    Parameters
    ----------
    said, tags : Series of str
    subtracted : Series of bool
        Images that show what takes up contrast: of them a label other than mass is true or unknown.
    """
    text = (said.fillna("") + " $ " + tags.fillna("")).str.lower()
    named = text.str.replace(DENIED, " ", regex=True)
    unsaid = said.isna() & tags.isna()
    found = {}
    for label, words in WORDS.items():
        seen = named.str.contains(words).astype("boolean").mask(unsaid)
        found[label] = seen if label == "mass" else seen.mask(subtracted & ~seen)
    return found


def malignant(pathology: pd.Series, path: Path) -> pd.Series:
    """Whether a row says Malignant.

    Raises
    ------
    DataError
        When a cell is none of Malignant, Benign, Normal.
    """
    found = pathology.map(TRUTH).astype("boolean")
    bad = pathology[pathology.notna() & found.isna()]
    if len(bad):
        raise DataError(f"{path}: {PATHOLOGY}: {bad.iloc[0]!r} is none of {', '.join(TRUTH)}")
    return found


def descriptors(images: pd.Series, mass: pd.Series, path: Path) -> dict[str, pd.Series]:
    """``mass_shape``, ``mass_margin`` and ``mass_density`` of images with a mass.

    Of several terms in a cell (``Round-Oval``) the gravest counts, which `TERMS` (and `DENSITIES`) has last. Of a
    subtracted image the sheet has how the mass takes up contrast, which is no density. Intramammary lymph nodes are in
    these sheets, too, and are no mass.
    """
    columns = ["Image_name", *SHEETS.values()]
    sheets = [read_part(path, part, columns) for part in ("massdescription", "massenhancementdescription")]
    rows = [sheet[columns] for sheet in sheets if sheet is not None]
    if not rows:
        return {}
    told = pd.concat(rows).dropna(subset=["Image_name"]).drop_duplicates("Image_name").set_index("Image_name")
    found = {}
    for name, column in SHEETS.items():
        cells = images.map(told[column]).astype("string").str.replace("speculated", "spiculated", case=False)
        words = DENSITIES if name == "mass_density" else {term: term for term in TERMS[name]}
        found[name] = gravest(cells.where(mass.fillna(False)), words)
    return found


def gravest(cells: pd.Series, words: dict[str, str]) -> pd.Series:
    """Of the ``words`` that a cell holds, the term of the last one; unknown where it holds none."""
    found = pd.Series(pd.NA, index=cells.index, dtype="string")
    for word, term in words.items():
        found = found.mask(cells.str.contains(word, case=False).fillna(False), term)
    return found
