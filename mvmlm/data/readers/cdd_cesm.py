"""CDD-CESM (TCIA): 326 patients, low-energy and subtracted contrast images, findings as text, pathology."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.readers import DATASETS, Reader, digest
from mvmlm.data.readers._cdd_cesm_labels import PATHOLOGY, descriptors, findings, highest, malignant
from mvmlm.data.readers._cdd_cesm_tables import (
    ANNOTATIONS,
    NAME,
    REGIONS,
    boxes,
    find_pictures,
    find_table,
    outlines,
    read_part,
)
from mvmlm.data.readers.vindr import STATED
from mvmlm.errors import ConfigError, DataError

DENSITY = "Breast density (ACR)"
COLUMNS = ("Image_name", "Age", DENSITY, "BIRADS", "Findings", "Tags", "Machine", PATHOLOGY)
KINDS = {"low_energy": ("DM",), "subtracted": ("CM",), "both": ("DM", "CM")}
FOLDERS = {"DM": "Low energy images of CDD-CESM", "CM": "Subtracted images of CDD-CESM"}
APART = {"DM": "low-energy images", "CM": "subtracted images"}
OPERATED = {
    "postoperative": "operated breasts: their scars are annotated as findings",
    "chemotherapy": "breasts after chemotherapy: BI-RADS 6 whatever is left, and pathology may say normal",
}


@dataclass(frozen=True)
class CddCesmOptions:
    """Which images are taken.

    Attributes
    ----------
    images : str
        ``low_energy`` (they read as ordinary mammograms), ``subtracted``, or ``both``.
    """

    images: str = "low_energy"

    def __post_init__(self) -> None:
        if self.images not in KINDS:
            raise ConfigError(f"cdd_cesm: images: {self.images!r} is none of {', '.join(KINDS)}")


@DATASETS.register("cdd_cesm")
class CddCesm(Reader):
    """Reads the folder as TCIA distributes it, or any folder of its pictures with its tables as CSV.

    Labels. Findings and Tags are texts on one image each; a label is true where either of them names it and does not
    deny it, and false where they say something else. Benign calcifications count. A subtracted image shows what takes
    up contrast: what it does not name of calcification, asymmetry and distortion is unknown. Pathology is the breast's:
    one malignant row makes all of its views malignant. A patient has one exam. There is no official split.
    """

    Options = CddCesmOptions

    name = "cdd_cesm"
    title = "CDD-CESM"
    licence = "CC BY 4.0 (TCIA, doi 10.7937/29kw-ae92)"
    where = "cancerimagingarchive.net/collection/cdd-cesm, without registration"
    releasable = True
    tasks = ("mass", "calcification", "malignancy", "density", "birads")
    layout = (
        f"{FOLDERS['DM']}/P1_L_DM_MLO.jpg, {FOLDERS['CM']}/P1_L_CM_MLO.jpg, {ANNOTATIONS[0]}.xlsx (or .csv), "
        f"{REGIONS[0]}.csv"
    )
    labels: ClassVar[dict[str, str]] = {
        "mass": "Findings and Tags of the image: mass, masses, nodule; an intramammary lymph node alone is none",
        "calcification": "Findings and Tags of the image: any calcification, benign and vascular ones too",
        "asymmetry, architectural_distortion": "Findings and Tags of the image, by these words",
        "mass_shape, mass_margin, mass_density": (
            "sheets mass_description and mass enhancement_description; of several the gravest; no density of a "
            "subtracted image"
        ),
        "report": "Findings of the image, as they are",
        "birads": "BIRADS of the image; of several findings (3$2) the highest",
        "density": f"{DENSITY} of the breast's low-energy images; _ is unknown",
        "malignancy": f"{PATHOLOGY}: Malignant in any row of the breast, against Benign and Normal (follow-up)",
        "boxes": "hand-drawn regions, category region; unknown where none was drawn or the picture was resized",
    }
    #: Of the low-energy images, counted in the published table.
    published: ClassVar[dict[str, int]] = {
        "images": 1003,
        "breasts": 566,
        "exams": 326,
        "patients": 326,
        "malignancy breasts": 183,
        "malignancy patients": 179,
    }
    report_fields = STATED | {"mass_shape", "mass_margin", "mass_density"}
    outcome_fields = frozenset({"malignancy"})

    def rows(self, root: Path, options: CddCesmOptions, log: Log) -> pd.DataFrame:
        path, pictures = _annotations(root), find_pictures(root)
        if not pictures:
            raise DataError(f"{root}: no picture is named like P1_L_DM_CC.jpg; expected {self.layout}")
        given = read_part(path, "all", COLUMNS).dropna(subset=["Image_name"])
        name = given["Image_name"].str.replace(r"\s", "", regex=True)
        given = given.assign(image_id=name, path=name.map(pictures))
        given = log.set_aside(given, ~name.str.fullmatch(NAME.pattern), "Image_name is not like P1_L_DM_CC")
        parts = given["image_id"].str.extract(NAME)
        table = pd.DataFrame(
            {
                "dataset": self.name,
                "patient_id": "P" + parts[0],
                "exam_id": "P" + parts[0],
                "breast_id": "P" + parts[0] + "_" + parts[1],
                "image_id": given["image_id"],
                "laterality": parts[1],
                "view": parts[3],
                "path": given["path"],
                "kind": parts[2],
                "age": pd.to_numeric(given["Age"], errors="coerce"),
                "machine": given["Machine"].str.removesuffix(".0"),
                "birads": highest(given["BIRADS"], path),
                "density": given[DENSITY].replace("_", pd.NA),
                "report": given["Findings"],
                **findings(given["Findings"], given["Tags"], subtracted=parts[2] == "CM"),
            }
        )
        table["density"] = table.groupby("breast_id")["density"].transform("first")
        by_breast = malignant(given[PATHOLOGY], path).groupby(table["breast_id"])
        table["malignancy"] = by_breast.transform("max").astype("boolean")
        table["malignancy_source"] = table["malignancy"].map({True: "pathology", False: "pathology"})
        table["mixed"] = by_breast.transform("nunique") > 1
        table = table.assign(**descriptors(table["image_id"], table["mass"], path))
        table = _chosen(table, root, options, log)
        _tell(table, path, log)
        return table.drop(columns=["kind", "mixed"]).join(_regions(root, table, log), on="image_id")

    @classmethod
    def fingerprint(cls, root: Path | None, options: CddCesmOptions | None = None) -> str:
        root = Path(root)
        path, drawn = _annotations(root), find_table(root, REGIONS)
        sheets = sorted(path.parent.glob("*.csv")) if path.suffix == ".csv" else [path]
        tables = dict.fromkeys([*sheets, *([drawn] if drawn else [])])
        images = (root / file for file in find_pictures(root).values())
        return digest(root, tables, images, options or cls.Options())


def _annotations(root: Path) -> Path:
    path = find_table(root, ANNOTATIONS)
    if path is None:
        raise DataError(f"{root}: no CDD-CESM here; expected {CddCesm.layout}")
    return path


def _chosen(table: pd.DataFrame, root: Path, options: CddCesmOptions, log: Log) -> pd.DataFrame:
    """Images of the wanted kind. In the published folders a file that is not there is missing; a folder of another
    making holds a part of the set, and the other rows are none of its images.
    """
    for kind, what in APART.items():
        if kind not in KINDS[options.images]:
            table = log.keep_apart(table, table["kind"] == kind, what)
    if not any((root / folder).is_dir() for folder in FOLDERS.values()):
        return log.keep_apart(table, table["path"].isna(), "rows of images that this folder does not hold")
    return table.assign(
        path=table["path"].fillna(table["kind"].map(FOLDERS) + "/" + table["image_id"] + ".jpg")
    )


def _tell(table: pd.DataFrame, path: Path, log: Log) -> None:
    mixed = table.loc[table["mixed"], "breast_id"].nunique()
    if mixed:
        log.note(f"{mixed} breasts have rows with and without cancer; all of their views count as malignant")
    for part, what in OPERATED.items():
        sheet = read_part(path, part, ("Image_name",))
        count = 0 if sheet is None else int(table["image_id"].isin(sheet["Image_name"]).sum())
        if count:
            log.note(f"{count} images are of {what}")


def _regions(root: Path, table: pd.DataFrame, log: Log) -> pd.Series:
    path = find_table(root, REGIONS)
    if path is None:
        log.note("there is no table of hand-drawn regions, so no boxes")
        return pd.Series(dtype="string", name="boxes")
    paths = table.drop_duplicates("image_id").set_index("image_id")["path"]
    return boxes(outlines(path), root, paths, log).rename("boxes")
