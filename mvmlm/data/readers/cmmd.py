"""CMMD (TCIA): 1,775 patients, pathology and finding type of one breast or both, molecular subtype of some."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.readers import DATASETS, Reader, digest, read_csv
from mvmlm.data.spreadsheet import read_sheet
from mvmlm.errors import ConfigError, DataError

SHEET = "CMMD_clinicaldata_revision"
FOLDER = "CMMD"
COLUMNS = ("ID1", "LeftRight", "Age", "abnormality", "classification", "subtype")
CONTRALATERAL = ("unknown", "normal")
MASS = {"mass": True, "both": True, "calcification": False}
CALCIFICATION = {"mass": False, "both": True, "calcification": True}
MALIGNANCY = {"malignant": True, "benign": False}
ABSENT = ("mass", "calcification", "malignancy")  # in a breast that counts as normal
LABELS = (*ABSENT, "subtype")
FIELDS = ("laterality", "view", "rows", "columns", "pixel_spacing", "manufacturer")  # of a header


@dataclass(frozen=True)
class CmmdOptions:
    """What is made of a patient's other breast, where the table has a row for one alone.

    Attributes
    ----------
    contralateral : str
        ``unknown``, or ``normal``: the other breast of a patient has neither mass nor calcification and is not
        malignant. The set does not say so; it is an assumption.
    """

    contralateral: str = "unknown"

    def __post_init__(self) -> None:
        if self.contralateral not in CONTRALATERAL:
            raise ConfigError(
                f"cmmd: contralateral: {self.contralateral!r} is none of {', '.join(CONTRALATERAL)}"
            )


@DATASETS.register("cmmd")
class Cmmd(Reader):
    """Reads the folder as TCIA's retriever lays it down, with the table of clinical data beside it.

    Labels are a breast's, by patient and side, and stand in the table; a view's side and position stand in its DICOM
    header alone, so every header is read. An exam is a study folder. There is no official split.
    """

    Options = CmmdOptions

    name = "cmmd"
    title = "Chinese Mammography Database (CMMD)"
    licence = "CC BY 4.0 (TCIA, doi 10.7937/tcia.eqde-4b16)"
    where = "cancerimagingarchive.net/collection/cmmd, without registration"
    releasable = True
    tasks = ("mass", "calcification", "malignancy", "subtype")
    layout = f"{FOLDER}/<ID1>/<study>/<series>/1-1.dcm, {SHEET}.xlsx (or .csv)"
    labels: ClassVar[dict[str, str]] = {
        "mass": "abnormality of the breast: mass or both, against calcification",
        "calcification": "abnormality of the breast: calcification or both, against mass",
        "malignancy": "classification of the breast, by pathology: Malignant against Benign",
        "subtype": "subtype of the breast as published; known for patients D2 alone",
        "all of the other breast": "unknown; absent with contralateral=normal, which is an assumption",
        "age": "Age of the patient [years]",
        "laterality, view": "ImageLaterality and ViewCodeSequence of the DICOM header",
    }
    published: ClassVar[dict[str, int]] = {
        "patients": 1775,
        "breasts": 2601,
        "images": 5202,
        "view CC images": 2601,
        "view MLO images": 2601,
        "malignancy images": 2632,
        "malignancy breasts": 1316,
        "mass breasts": 1610,
        "calcification breasts": 723,
        "subtype Luminal A breasts": 152,
        "subtype Luminal B breasts": 376,
        "subtype HER2-enriched breasts": 135,
        "subtype triple negative breasts": 86,
    }
    report_fields = frozenset(("age", "laterality", "mass", "calcification"))
    outcome_fields = frozenset(("malignancy", "subtype"))

    def rows(self, root: Path, options: CmmdOptions, log: Log) -> pd.DataFrame:
        breasts = _breasts(_sheet(root), log)
        ages = breasts.groupby("patient_id")["age"].first()
        images = _images(root)
        listed = images["patient_id"].isin(ages.index)
        images = log.set_aside(images, ~listed, f"its patient has no row in {SHEET}")
        table = _with_headers(images, root, log)
        for name, what in (("laterality", "side"), ("view", "view")):
            table = log.set_aside(table, table[name].isna(), f"its header names no {what}")
        table = table.assign(breast=table["patient_id"] + " " + table["laterality"])
        table = table.join(breasts[["named", *LABELS, "malignancy_source"]], on="breast")
        _tell(table, breasts, log)
        if options.contralateral == "normal":
            other = table["named"].isna()
            for label in ABSENT:
                table[label] = table[label].mask(other, False)
            log.note(f"{int(other.sum())} images of breasts without a row count as normal: an assumption")
        return table.assign(
            dataset=self.name,
            breast_id=table["exam_id"] + "_" + table["laterality"],
            age=table["patient_id"].map(ages),
        )

    @classmethod
    def fingerprint(cls, root: Path | None, options: CmmdOptions | None = None) -> str:
        root = Path(root)
        images = (root / name for name in _images(root)["path"])
        return digest(root, [_sheet(root)], images, options or cls.Options())


def _sheet(root: Path) -> Path:
    places = [folder / f"{SHEET}{suffix}" for folder in (root, root / FOLDER) for suffix in (".xlsx", ".csv")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DataError(f"{root}: no CMMD here; expected {Cmmd.layout}")
    return path


def _breasts(path: Path, log: Log) -> pd.DataFrame:
    """``patient_id, age, named`` and the labels of each breast that has a row, by patient and side."""
    table = read_csv(path, COLUMNS, dtype=str) if path.suffix == ".csv" else read_sheet(path, COLUMNS)
    table = table[list(COLUMNS)].astype("string").apply(lambda column: column.str.strip())
    table = table.set_index(table["ID1"] + " " + table["LeftRight"])
    table = table[table.index.notna()]
    twice = table.index.duplicated()
    if twice.any():
        log.note(f"{int(twice.sum())} rows of {path.name} are of a breast that has one; the first one counts")
    table = table[~twice]
    malignancy = _mapped(table, "classification", MALIGNANCY, path)
    return pd.DataFrame(
        {
            "patient_id": table["ID1"],
            "age": pd.to_numeric(table["Age"], errors="coerce"),
            "named": True,
            "mass": _mapped(table, "abnormality", MASS, path),
            "calcification": _mapped(table, "abnormality", CALCIFICATION, path),
            "malignancy": malignancy,
            "malignancy_source": malignancy.map({True: "pathology", False: "pathology"}),
            "subtype": table["subtype"],
        }
    )


def _mapped(table: pd.DataFrame, column: str, values: dict[str, bool], path: Path) -> pd.Series:
    plain = table[column].str.lower()
    bad = table.loc[plain.notna() & ~plain.isin(list(values)), column]
    if len(bad):
        raise DataError(
            f"{path}: {column}: {len(bad)} cells are none of {', '.join(values)} (such as {bad.iloc[0]!r})"
        )
    return plain.map(values).astype("boolean")


def _images(root: Path) -> pd.DataFrame:
    """``image_id, path, patient_id, exam_id`` of the DICOM files, by their folders."""
    base = root / FOLDER if (root / FOLDER).is_dir() else root
    files = [file.relative_to(base) for file in sorted(base.rglob("*.dcm"))]
    files = [file for file in files if len(file.parts) > 2]
    if not files:
        raise DataError(f"{base}: no image is at <ID1>/<study>/<series>/1-1.dcm; expected {Cmmd.layout}")
    found = {
        "image_id": ["_".join(file.with_suffix("").parts) for file in files],
        "path": [(base.relative_to(root) / file).as_posix() for file in files],
        "patient_id": [file.parts[0] for file in files],
        "exam_id": ["_".join(file.parts[:2]) for file in files],
    }
    return pd.DataFrame(found, dtype="string")


def _with_headers(images: pd.DataFrame, root: Path, log: Log) -> pd.DataFrame:
    """The images with what their headers say; those whose header cannot be read are set aside."""
    from mvmlm.data.header import read_headers

    read = pd.Series(read_headers([root / path for path in images["path"]]), index=images.index, dtype=object)
    failed = read[read.map(lambda header: isinstance(header, str))]
    for reason in failed.unique():
        log.set_aside(images, read == reason, reason)
    headers = read.drop(failed.index)
    said = [[getattr(header, field) for field in FIELDS] for header in headers]
    table = pd.DataFrame(said, index=headers.index, columns=list(FIELDS), dtype=object)
    return images.join(table.rename(columns={"rows": "image_height", "columns": "image_width"}), how="right")


def _tell(table: pd.DataFrame, breasts: pd.DataFrame, log: Log) -> None:
    absent = breasts.index[~breasts.index.isin(table["breast"])]
    if len(absent):
        examples = ", ".join(absent[:3])
        log.note(f"{len(absent)} of {len(breasts)} breasts of {SHEET} have no image (such as {examples})")
