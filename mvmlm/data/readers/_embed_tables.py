"""EMBED's two tables, cleaned: findings (one row each) and images (one row a file)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.readers import read_csv
from mvmlm.errors import ConfigError, DataError

IDS = ("empi_anon", "acc_anon", "study_date_anon")
CODES = ("desc", "asses", "side", "massshape", "massmargin", "massdens", "calcfind", "calcdistri")
CLINICAL = (*IDS, *CODES, "tissueden", "numfind", "path_severity")
CLINICAL_MORE = (
    "calcnumber",
    "bside",
    "procdate_anon",
    "RACE_DESC",
    "ETHNICITY_DESC",
    "age_at_study",
    "loc_num",
)
METADATA = (*IDS, "FinalImageType", "ImageLateralityFinal", "ViewPosition", "spot_mag", "ROI_coords")
METADATA_MORE = ("SeriesDescription", "Manufacturer", "ManufacturerModelName", "Rows", "Columns") + (
    "BreastImplantPresent",
)
UNSAID = ("Unknown, Unavailable or Unreported", "Not Recorded", "Patient Declines")
PREFIX = "/mnt/NAS2/mammo/anon_dicom/"
COHORT = r"(?:^|/)(cohort_?\d+/.+)$"


@dataclass(frozen=True)
class EmbedOptions:
    """Which of the images are taken, and where they are.

    Attributes
    ----------
    image_types : tuple of str
        Values of ``FinalImageType`` that are taken: ``2D``, ``C-view``.
    screening_only : bool
        Whether exams whose description does not say «screen» are kept apart.
    pathology_days : int
        A specimen also speaks for the same breast in exams up to so many days before it (180: the time in which
        EMBED's own label notebook looks for what followed a recall).
    path_column : str
        Column of the metadata with the path: ``anon_dicom_path`` or ``png_path``.
    images : str
        Folder of the cohorts, relative to the root; by default ``images`` where there is one, else the root.
    suffix : str
        File name's end where it is not the table's: ``.png`` reads an export with the same folders and names.
    """

    image_types: tuple[str, ...] = ("2D",)
    screening_only: bool = False
    pathology_days: int = 180
    path_column: str = "anon_dicom_path"
    images: str = ""
    suffix: str = ""

    def __post_init__(self) -> None:
        if not self.image_types:
            raise ConfigError("embed: image_types: none is named (known: 2D, C-view)")
        if self.pathology_days < 0:
            raise ConfigError(f"embed: pathology_days: {self.pathology_days} is below 0")
        if self.suffix and not self.suffix.startswith("."):
            raise ConfigError(f"embed: suffix: {self.suffix!r} does not start with a dot")

    def folder(self, root: Path) -> str:
        """Folder of the cohorts, relative to the root; empty for the root itself."""
        return self.images or ("images" if (root / "images").is_dir() else "")


def find(root: Path, name: str) -> Path:
    """The table of that name: in ``tables/`` or the root, whole or reduced.

    Raises
    ------
    DataError
        When none is there.
    """
    names = [f"EMBED_OpenData_{name}{kind}.csv" for kind in ("", "_reduced")]
    for path in (folder / file for file in names for folder in (root / "tables", root)):
        if path.is_file():
            return path
    raise DataError(
        f"{root}: neither {names[0]} nor {names[1]} is here, nor in tables/; that is no EMBED Open Data"
    )


def read_findings(root: Path, log: Log) -> pd.DataFrame:
    """One row a finding: ids, ``day`` and ``procedure`` (dates), codes as text, ``tissueden`` and ``severity``."""
    given = _read(find(root, "clinical"), CLINICAL, CLINICAL_MORE, log)
    given["tissueden"] = pd.to_numeric(given["tissueden"], errors="coerce")
    given["severity"] = pd.to_numeric(given["path_severity"], errors="coerce")
    given["procedure"] = _dates(given["procdate_anon"], "procdate_anon", log)
    given["race"] = given["RACE_DESC"].fillna(given["ETHNICITY_DESC"])
    given["race"] = given["race"].mask(given["race"].isin(UNSAID))
    given["age"] = pd.to_numeric(given["age_at_study"], errors="coerce")
    given["site"] = given["loc_num"].str.removesuffix(".0")
    return given


def read_images(root: Path, options: EmbedOptions, log: Log) -> pd.DataFrame:
    """One row a file: ids, ``day``, ``kind``, ``spot`` and the exam table's columns that a file has."""
    given = _read(find(root, "metadata"), (*METADATA, options.path_column), METADATA_MORE, log)
    again = given.duplicated(options.path_column) & given[options.path_column].notna()
    if again.any():
        log.note(
            f"{int(again.sum())} rows of the metadata name a file that an earlier row has; the first counts"
        )
    given = given[~again]
    path = _paths(given[options.path_column], root, options)
    named = given["SeriesDescription"].str.extract(r"(?i)\b(CC|MLO)\b", expand=False)
    return pd.DataFrame(
        {
            "patient_id": given["patient_id"],
            "exam_id": given["exam_id"],
            "day": given["day"],
            "image_id": path.str.extract(r"([^/]+?)(?:\.[A-Za-z]{2,5})?$", expand=False),
            "path": path,
            "laterality": given["ImageLateralityFinal"],
            "view": given["ViewPosition"].fillna(named).str.upper(),
            "kind": given["FinalImageType"],
            "spot": pd.to_numeric(given["spot_mag"], errors="coerce") == 1,
            "boxes": _boxes(given["ROI_coords"], log),
            "manufacturer": given["Manufacturer"],
            "machine": given["ManufacturerModelName"],
            "implant": given["BreastImplantPresent"]
            .str.upper()
            .map({"YES": True, "NO": False})
            .astype("boolean"),
            "image_height": pd.to_numeric(given["Rows"], errors="coerce"),
            "image_width": pd.to_numeric(given["Columns"], errors="coerce"),
        }
    )


def _read(path: Path, columns: tuple[str, ...], more: tuple[str, ...], log: Log) -> pd.DataFrame:
    there = read_csv(path, columns, nrows=0).columns
    chosen = [*columns, *(name for name in more if name in there)]
    given = read_csv(path, columns, dtype=str, usecols=chosen)
    given = given.apply(lambda cells: cells.str.strip().replace("", None)).reindex(columns=[*columns, *more])
    given[list(more)] = given[list(more)].astype("string")
    given["patient_id"] = given["empi_anon"].str.removesuffix(".0")
    given["exam_id"] = given["acc_anon"].str.removesuffix(".0")
    given["day"] = _dates(given["study_date_anon"], f"{path.name}: study_date_anon", log)
    return given


def _dates(cells: pd.Series, column: str, log: Log) -> pd.Series:
    days = pd.to_datetime(cells.str[:10], format="%Y-%m-%d", errors="coerce")
    wrong = cells[cells.notna() & days.isna()]
    if len(wrong):
        log.note(
            f"{len(wrong)} cells of {column} are no date (such as {wrong.iloc[0]!r}) and count as unknown"
        )
    return days


def _paths(given: pd.Series, root: Path, options: EmbedOptions) -> pd.Series:
    """From the cohort's folder on; a path without one loses the release's own prefix alone."""
    tidy = given.astype("string").str.replace("\\", "/", regex=False)
    path = tidy.str.extract(COHORT, expand=False).fillna(tidy.str.removeprefix(PREFIX))
    folder = options.folder(root)
    if folder:
        path = path.where(path.str.startswith("/").fillna(False), folder + "/" + path)
    return path.str.replace(r"\.[A-Za-z]+$", options.suffix, regex=True) if options.suffix else path


def _boxes(cells: pd.Series, log: Log) -> pd.Series:
    """Published as ``ymin, xmin, ymax, xmax``. Where no region was saved it is unknown whether there is one."""
    numbers = cells.dropna().map(lambda text: [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text)])
    odd = numbers.map(len) % 4 > 0
    if odd.any():
        log.note(
            f"{int(odd.sum())} cells of ROI_coords are no list of four corners each and count as unknown"
        )
    drawn = numbers[~odd & (numbers.map(len) > 0)]
    return drawn.map(_regions).reindex(cells.index).astype("string")


def _regions(corners: list[float]) -> str:
    fours = zip(*[iter(corners)] * 4)
    return json.dumps(
        [{"category": "region", "x0": x0, "y0": y0, "x1": x1, "y1": y1} for y0, x0, y1, x1 in fours]
    )
