"""INbreast (Porto, 2012): 410 full-field images, contours of findings in property lists, BI-RADS, no pathology."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

import pandas as pd

from mvmlm.data.exam_table import malignancy_of_birads
from mvmlm.data.intake import Log
from mvmlm.data.pixels import PICTURE_SUFFIXES
from mvmlm.data.readers import DATASETS, Reader, digest, read_csv
from mvmlm.data.readers._inbreast_regions import findings, lists
from mvmlm.data.readers.vindr import STATED
from mvmlm.errors import DataError

TABLES = ("INbreast.csv", "INbreast.xls", "INbreast.xlsx")
RELEASE = "INbreast Release 1.0"
COLUMNS = ("Laterality", "View", "Acquisition date", "File Name", "ACR", "Bi-Rads")
#: File name, hash of the patient, side and position: ``20586908_6c613a14b80a8591_MG_R_CC_ANON``.
NAME = re.compile(r"(\d+)_([0-9a-f]{8,})_MG_[LR]_[A-Z]+_ANON", re.IGNORECASE)
VIEWS = {"ML": "MLO", "FMLO": "MLO"}
DENSITIES = dict(zip("1234", "ABCD"))


@DATASETS.register("inbreast")
class INbreast(Reader):
    """Reads the folder of release 1.0.

    Labels. An image has what the regions of its XML file are named. An image without such a file and of BI-RADS 1 has
    none of it; of another category its findings are unknown, and where a region has no name that says what it is, so
    is what its other regions do not name. Every calcification counts, benign ones too. ``malignancy`` is BI-RADS ≥ 4.
    A patient is the hash in the file's name, as the table's own id is blanked; an exam is her acquisition date.
    """

    name = "inbreast"
    title = "INbreast"
    licence = "INbreast agreement: research use, no redistribution"
    where = "its authors at INESC TEC, Porto; the original site is closed, mirrors exist"
    releasable = None
    tasks = ("mass", "calcification", "malignancy", "density", "birads")
    layout = f"{TABLES[0]} (or .xls), AllDICOMs/<file>_<hash>_MG_<L|R>_<CC|ML>_ANON.dcm, AllXML/<file>.xml"
    labels: ClassVar[dict[str, str]] = {
        "mass": "AllXML, regions named Mass or Spiculated Region, of the image",
        "calcification": "AllXML, regions named Calcification or Cluster, of the image; benign ones count",
        "asymmetry, architectural_distortion": "AllXML, regions named Asymmetry and Distortion, of the image",
        "birads": "Bi-Rads of the image; 4a, 4b and 4c are 4",
        "density": "ACR 1 to 4 as A to D, of the image; blanks are unknown",
        "malignancy": "Bi-Rads 4 to 6 against 1 to 3: a stand-in, for the tables hold no pathology",
        "boxes": "AllXML, Point_px of every region, with its name",
        "exam_date": "Acquisition date, the year",
    }
    #: Moreira et al., Academic Radiology 19 (2012): images in all, with masses, with calcifications.
    published: ClassVar[dict[str, int]] = {"images": 410, "mass images": 107, "calcification images": 301}
    report_fields = STATED - {"age"}
    outcome_fields = frozenset({"malignancy"})

    def rows(self, root: Path, options: Reader.Options, log: Log) -> pd.DataFrame:
        path = _table(root)
        given, files = _read(path), _files(path.parent, root)
        given["image_id"] = given["File Name"].str.removesuffix(".0")
        given = given.join(files, on="image_id")
        given = log.set_aside(given, given["path"].isna(), "no file is named for it: its patient is unknown")
        date = given["Acquisition date"].str.removesuffix(".0")
        exam = (given["patient_id"] + "_" + date.fillna("")).str.removesuffix("_")
        table = pd.DataFrame(
            {
                "dataset": self.name,
                "patient_id": given["patient_id"],
                "exam_id": exam,
                "breast_id": exam + "_" + given["Laterality"],
                "image_id": given["image_id"],
                "laterality": given["Laterality"],
                "view": given["View"].replace(VIEWS),
                "path": given["path"],
                "exam_date": date.str.extract(r"^(\d{4})", expand=False),
                "birads": _category(given["Bi-Rads"], path),
                "density": given["ACR"].str.removesuffix(".0").map(DENSITIES),
            }
        )
        table["malignancy"] = malignancy_of_birads(table["birads"])
        table["malignancy_source"] = table["malignancy"].map({True: "birads", False: "birads"})
        return table.join(findings(table, path.parent / "AllXML", log), on="image_id")

    @classmethod
    def fingerprint(cls, root: Path | None, options: Reader.Options | None = None) -> str:
        root = Path(root)
        path = _table(root)
        images = (root / file for file in _files(path.parent, root)["path"])
        return digest(root, [path, *lists(path.parent / "AllXML").values()], images, options or cls.Options())


def _table(root: Path) -> Path:
    places = (folder / name for folder in (root, root / RELEASE) for name in TABLES)
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise DataError(f"{root}: no INbreast here; expected {INbreast.layout}")
    return path


def _read(path: Path) -> pd.DataFrame:
    """Rows with a file's number; the spreadsheet has remarks below its table."""
    if path.suffix == ".csv":
        table = read_csv(path, COLUMNS, dtype=str, sep=";", encoding="latin-1")
    else:
        from mvmlm.data.spreadsheet import read_sheet

        table = read_sheet(path, COLUMNS)
    table = table[list(COLUMNS)].astype("string").apply(lambda column: column.str.strip())
    return table[table["File Name"].str.fullmatch(r"\d+(?:\.0)?").fillna(False)]


def _files(folder: Path, root: Path) -> pd.DataFrame:
    """``path`` below the root and ``patient_id``, the hash, by file number."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted(folder.rglob("*_ANON.*")):
        name = NAME.fullmatch(path.stem)
        if name and path.suffix.lower() in (".dcm", *PICTURE_SUFFIXES):
            found.setdefault(name[1], (path.relative_to(root).as_posix(), name[2].lower()))
    return pd.DataFrame.from_dict(found, orient="index", columns=["path", "patient_id"])


def _category(cells: pd.Series, path: Path) -> pd.Series:
    found = cells.str.extract(r"(?i)^([0-6])(?:[abc]|\.0)?$", expand=False)
    bad = cells[(cells.fillna("") != "") & found.isna()]
    if len(bad):
        raise DataError(f"{path}: Bi-Rads: {len(bad)} cells cannot be read (such as {bad.iloc[0]!r})")
    return found.astype("Int64")
