"""CBIS-DDSM (TCIA): 3,103 digitised films of 1,566 women, each with a mass or calcifications, masks, pathology."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.readers import DATASETS, Reader, clean_paths, digest, read_csv
from mvmlm.data.readers._cbis_ddsm_labels import IMAGE_LABELS, KEY, label_views
from mvmlm.errors import DataError

KINDS, SPLITS = ("mass", "calc"), ("train", "test")
TABLES = tuple(f"{kind}_case_description_{split}_set.csv" for kind in KINDS for split in SPLITS)
IMAGE, CROP, MASK = "image file path", "cropped image file path", "ROI mask file path"
#: Published column to the name that it has here.
NAMES = {
    "patient_id": "patient_id",
    "left or right breast": "laterality",
    "image view": "view",
    "assessment": "assessment",
    "pathology": "pathology",
    IMAGE: "image",
    CROP: "crop",
    MASK: "mask",
}
DESCRIPTIONS = {"mass": ("mass shape", "mass margins"), "calc": ("calc type", "calc distribution")}
CATEGORIES = {"mass": "mass", "calc": "calcification"}
DENSITIES = ("breast_density", "breast density")  # of the mass tables, of the calcification tables
SIDES = {"LEFT": "L", "RIGHT": "R"}
FOLDER = "CBIS-DDSM"
#: A folder of one image, or, with a number behind it, of the mask and crop of one of its abnormalities.
CASE = re.compile(r"(?:Mass|Calc)-(?:Training|Test)_P_\d+_(?:LEFT|RIGHT)_(?:CC|MLO)(?:_\d+)?")


@DATASETS.register("cbis_ddsm")
class CbisDdsm(Reader):
    """Reads the four tables, and the images as their cells name them or as TCIA's retriever lays them down.

    Labels. A table's row is one abnormality of one image; an image takes what any of its rows says. What the set did
    not look for is unknown: an image of the mass tables says nothing of calcifications. Where a woman is in both, the
    two files of one view are the same film, and each has the labels of both.
    A woman is ``P_xxxxx`` (PatientID of the DICOM files names a file) and has one exam.
    """

    name = "cbis_ddsm"
    title = "CBIS-DDSM"
    licence = "CC BY 3.0 (TCIA, doi 10.7937/K9/TCIA.2016.7O02S9CY)"
    where = "cancerimagingarchive.net/collection/cbis-ddsm, without registration"
    releasable = True
    tasks = ("malignancy", "density", "birads")
    layout = f"{', '.join(TABLES)}, and {FOLDER}/Mass-Training_P_00001_LEFT_CC/<study>/<series>/<file>.dcm"
    labels: ClassVar[dict[str, str]] = {
        "mass": "the image has a row in a mass table; else unknown, never false",
        "calcification": "the image has a row in a calcification table; else unknown, never false",
        "malignancy": "pathology of any abnormality of the image: MALIGNANT, against BENIGN(_WITHOUT_CALLBACK)",
        "birads": "assessment, the highest of the image; 0 only where all are 0",
        "density": "breast_density, 1 to 4 as A to D; 0 is unknown",
        "mass_shape, mass_margin": "mass shape, mass margins; of several terms the gravest",
        "calcification_morphology, calcification_distribution": (
            "calc type, calc distribution; of several terms the gravest; lucent-centred and eggshell are rim"
        ),
        "asymmetry, architectural_distortion": "mass shape names it; else unknown",
        "boxes": "the mask of each abnormality: of its two files the one of the image's size",
        "split": "official: the tables' names; training images of women who are in a test table, too, are set aside",
    }
    #: Training images are left out: those of women in both sets are set aside.
    published: ClassVar[dict[str, int]] = {"patients": 1566, "test images": 645}
    report_fields = frozenset(("laterality", "density", "birads", *IMAGE_LABELS))
    outcome_fields = frozenset({"malignancy"})

    def rows(self, root: Path, options: Reader.Options, log: Log) -> pd.DataFrame:
        tables = _tables(root)
        given = pd.concat([_read(table) for table in tables], ignore_index=True)
        given = log.set_aside(given, given["image"].isna(), f"{IMAGE} is empty")
        given = given.assign(image_id=given["image"].str.split("/").str[0])
        files = _files(root)
        before = f"{FOLDER}/" if (root / FOLDER).is_dir() else ""
        images = given.drop_duplicates("image_id").set_index("image_id", drop=False)
        table = images[[*KEY, "image_id", "split"]].join(label_views(given, log), on=list(KEY))
        table["boxes"] = _boxes(given, files, before)
        table["path"] = images["image"].map(lambda published: _image(published, files, before))
        unclear = "its folder holds several files, and none is told to be the full mammogram"
        table = log.set_aside(table, table["path"].isna(), unclear)
        twice = table.groupby(list(KEY))["image_id"].nunique()
        if (twice > 1).any():
            log.note(
                f"{int((twice > 1).sum())} views have a file in the mass set and one in the calcification set"
            )
        return table.assign(
            dataset=self.name,
            exam_id=table["patient_id"],
            breast_id=table["patient_id"] + "_" + table["laterality"],
            malignancy_source=table["malignancy"].map({True: "pathology", False: "pathology"}),
        )

    @classmethod
    def fingerprint(cls, root: Path | None, options: Reader.Options | None = None) -> str:
        root = Path(root)
        images = (root / name for names in _files(root).values() for name in names)
        return digest(root, _tables(root), images, options or cls.Options())


def _tables(root: Path) -> list[Path]:
    folder = next((f for f in (root, root / FOLDER) if any((f / name).is_file() for name in TABLES)), None)
    if folder is None:
        raise DataError(f"{root}: no CBIS-DDSM here; expected {CbisDdsm.layout}")
    return [folder / name for name in TABLES]


def _read(path: Path) -> pd.DataFrame:
    """One row an abnormality, cells without the blanks and line breaks round them."""
    kind, _, _, split, _ = path.stem.split("_")
    table = read_csv(path, [*NAMES, *DESCRIPTIONS[kind]], dtype=str)
    density = next((name for name in DENSITIES if name in table), None)
    if density is None:
        raise DataError(f"{path}: has no column {DENSITIES[0]!r}, nor {DENSITIES[1]!r}")
    table = table[[*NAMES, *DESCRIPTIONS[kind], density]].rename(columns={**NAMES, density: "density"})
    table = table.astype("string").apply(lambda column: column.str.strip().replace("", pd.NA))
    for name in ("image", "crop", "mask"):
        table[name] = clean_paths(table[name])
    sides = table["laterality"].map(lambda side: SIDES.get(side, side))
    return table.assign(laterality=sides, split=split, category=CATEGORIES[kind])


def _files(root: Path) -> dict[str, list[str]]:
    """DICOM files below the root by their case folder, wherever that lies."""
    found: dict[str, list[str]] = {}
    for folder, below, names in os.walk(root):
        below.sort()
        place = Path(folder).relative_to(root)
        case = next((part for part in place.parts if CASE.fullmatch(part)), None)
        if case:
            files = [(place / name).as_posix() for name in sorted(names) if name.lower().endswith(".dcm")]
            found.setdefault(case, []).extend(files)
    return found


def _places(published: str, files: Mapping[str, list[str]]) -> list[str]:
    """The file that a cell names; where it is not there, all files of its case folder."""
    mine = files.get(published.split("/", 1)[0], [])
    return [name for name in mine if f"/{name}".endswith(f"/{published}")] or mine


def _image(published: str, files: Mapping[str, list[str]], before: str) -> str | None:
    places = _places(published, files)
    if len(places) > 1:
        places = [name for name in places if "full mammogram" in name]
        return places[0] if len(places) == 1 else None
    return places[0] if places else before + published


def _boxes(given: pd.DataFrame, files: Mapping[str, list[str]], before: str) -> pd.Series:
    """By image, its abnormalities with the files that may be their masks: crops and masks are swapped in places."""
    drawn: dict[str, list[dict]] = {}
    for row in given.itertuples():
        cells = [cell for cell in (row.mask, row.crop) if not pd.isna(cell)]
        names = [name for cell in cells for name in _places(cell, files) or [before + cell]]
        names = sorted(dict.fromkeys(names), key=lambda name: "cropped images" in name)
        if names:
            drawn.setdefault(row.image_id, []).append({"category": row.category, "mask": names})
    return pd.Series({image: json.dumps(found) for image, found in drawn.items()}, dtype="string")
