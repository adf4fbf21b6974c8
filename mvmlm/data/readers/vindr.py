"""VinDr-Mammo (PhysioNet, v1.0.0): 5,000 exams, four views each, findings with boxes, no pathology."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from mvmlm.data.exam_table import malignancy_of_birads
from mvmlm.data.findings_place import PLACED
from mvmlm.data.intake import Log
from mvmlm.data.readers import DATASETS, Reader, digest, read_csv
from mvmlm.errors import DataError
from mvmlm.registry import did_you_mean

BREASTS = "breast-level_annotations.csv"
FINDINGS = "finding_annotations.csv"
METADATA = "metadata.csv"
BREAST_COLUMNS = ("study_id", "image_id", "laterality", "view_position", "height", "width") + (
    "breast_birads",
    "breast_density",
    "split",
)
CORNERS = ("xmin", "ymin", "xmax", "ymax")
FINDING_COLUMNS = ("image_id", "finding_categories", *CORNERS)
MOST_ABSENT = 0.2
SPLITS = {"training": "train", "test": "test"}

#: Published finding category to the label it makes true; None for those that make none.
CATEGORIES: dict[str, str | None] = {
    "Mass": "mass",
    "Suspicious Calcification": "calcification",
    "Asymmetry": "asymmetry",
    "Focal Asymmetry": "asymmetry",
    "Global Asymmetry": "asymmetry",
    "Architectural Distortion": "architectural_distortion",
    **dict.fromkeys(
        ("Suspicious Lymph Node", "Skin Thickening", "Skin Retraction", "Nipple Retraction", "No Finding")
    ),
}
#: Fields of a report that the tables state; the others are worked out from boxes.
STATED = frozenset(
    ("age", "laterality", "density", "birads", "mass", "calcification", "asymmetry", "architectural_distortion")
)
LABELS = sorted({label for label in CATEGORIES.values() if label})


def _by_grade(name: str, train: tuple[int, ...], test: tuple[int, ...], grades: str) -> dict[str, int]:
    pairs = [(split, zip(grades, counts)) for split, counts in (("train", train), ("test", test))]
    return {f"{split} {name} {grade} images": count for split, counts in pairs for grade, count in counts}


@DATASETS.register("vindr")
class VinDr(Reader):
    """Reads the folder as PhysioNet distributes it.

    Labels. Findings are annotated on views: an image has a mass where any of its finding rows says so (rows of one
    image can disagree, for each row is one box). BI-RADS and density are the breast's. There is no pathology:
    ``malignancy`` is BI-RADS ≥ 4.
    An exam is a study; the set names no patients, and has one exam each, so the study stands for the patient.
    """

    @dataclass(frozen=True)
    class Options:
        """This reader has none."""

    name = "vindr"
    title = "VinDr-Mammo"
    licence = "PhysioNet restricted health data licence 1.5.0"
    where = "physionet.org/content/vindr-mammo/1.0.0, after training and a signed data use agreement"
    releasable = None
    tasks = ("mass", "calcification", "malignancy", "density", "birads")
    layout = f"images/<study>/<image>.dicom, {BREASTS}, {FINDINGS}, {METADATA}"
    labels: ClassVar[dict[str, str]] = {
        "mass, calcification, asymmetry, architectural_distortion": (
            f"{FINDINGS}, finding_categories: true for an image where any of its rows names it, false where it has "
            "rows and none does (Suspicious Calcification; Asymmetry, Focal and Global Asymmetry)"
        ),
        "birads, density": f"{BREASTS}, breast_birads and breast_density, of the breast",
        "malignancy": "BI-RADS 4 and 5 of the breast against 1 to 3: a stand-in, for there is no pathology",
        "boxes": f"{FINDINGS}, clipped to the image",
        "split": f"{BREASTS}, official: 4,000 exams train, 1,000 test",
    }
    published: ClassVar[dict[str, int]] = {
        "exams": 5000,
        "breasts": 10000,
        "images": 20000,
        "train images": 16000,
        "test images": 4000,
        "train mass images": 894,
        "test mass images": 219,
        "train mass breasts": 490,
        "test mass breasts": 119,
        "train calcification images": 337,
        "test calcification images": 105,
        "train calcification breasts": 175,
        "test calcification breasts": 54,
        "train malignancy breasts": 395,
        "test malignancy breasts": 99,
        **_by_grade("birads", (10724, 3742, 744, 610, 180), (2682, 934, 186, 152, 46), "12345"),
        **_by_grade("density", (80, 1528, 12232, 2160), (20, 380, 3060, 540), "ABCD"),
    }
    report_fields = STATED | set(PLACED)
    outcome_fields = frozenset({"malignancy"})

    def rows(self, root: Path, options: Options, log: Log) -> pd.DataFrame:
        _check(root)
        text = dict.fromkeys(("study_id", "image_id", "breast_birads", "breast_density"), str)
        breasts = read_csv(root / BREASTS, BREAST_COLUMNS, dtype=text)
        numbers = dict.fromkeys(CORNERS, float)
        findings = read_csv(root / FINDINGS, FINDING_COLUMNS, dtype={"image_id": str, **numbers})
        metadata = _metadata(root / METADATA)
        images = breasts["image_id"]
        table = pd.DataFrame(
            {
                "dataset": self.name,
                "patient_id": breasts["study_id"],
                "exam_id": breasts["study_id"],
                "breast_id": breasts["study_id"] + "_" + breasts["laterality"],
                "image_id": images,
                "laterality": breasts["laterality"],
                "view": breasts["view_position"],
                "path": "images/" + breasts["study_id"] + "/" + images + ".dicom",
                "split": breasts["split"].map(lambda s: SPLITS.get(s, s)),
                "birads": _read("breast_birads", breasts, r"(\d)").astype("Int64"),
                "density": _read("breast_density", breasts, r"([A-D])\s*$"),
                "image_height": breasts["height"],
                "image_width": breasts["width"],
            }
        )
        table["malignancy"] = malignancy_of_birads(table["birads"])
        table["malignancy_source"] = table["malignancy"].map(lambda m: pd.NA if pd.isna(m) else "birads")
        _require_most(images, metadata.index, METADATA)
        _require_most(images, findings["image_id"], FINDINGS)
        for column in ("age", "pixel_spacing", "manufacturer"):
            table[column] = images.map(metadata[column])
        table = table.join(_findings(findings, table), on="image_id")
        _tell_oddities(table, log)
        return table

    @classmethod
    def fingerprint(cls, root: Path | None, options: Options | None = None) -> str:
        root = Path(root)
        _check(root)
        tables = [root / name for name in (BREASTS, FINDINGS, METADATA)]
        return digest(root, tables, root.glob("images/*/*.dicom"), options or cls.Options())


def _check(root: Path) -> None:
    if not (root / "images").is_dir():
        raise DataError(f"{root}: no VinDr-Mammo here; expected {VinDr.layout}")


def _tell_oddities(table: pd.DataFrame, log: Log) -> None:
    densities = table.groupby("exam_id")["density"].nunique()
    if (densities > 1).any():
        log.note(f"{int((densities > 1).sum())} exams differ in density between their breasts; each keeps its own")
    breasts = table.assign(found=table[LABELS].any(axis=1)).groupby("breast_id")
    high = (breasts["birads"].max() >= 3) & ~breasts["found"].any()
    if high.any():
        log.note(f"{int(high.sum())} breasts of BI-RADS 3 or more have no finding; both stand as published")


def _read(column: str, breasts: pd.DataFrame, pattern: str) -> pd.Series:
    """The part of a column's texts that a pattern picks; a text without it is an error, an empty cell unknown."""
    found = breasts[column].str.extract(pattern, expand=False)
    bad = breasts.loc[breasts[column].notna() & found.isna(), column]
    if len(bad):
        raise DataError(f"{BREASTS}: {column}: {len(bad)} cells cannot be read (such as {bad.iloc[0]!r})")
    return found


def _require_most(images: pd.Series, there: pd.Series | pd.Index, name: str) -> None:
    """Images have rows in every published table (a few may lack one); in one of another set, or half of one, not."""
    absent = images[~images.isin(there)]
    if len(absent) > MOST_ABSENT * len(images):
        raise DataError(
            f"{name}: {len(absent)} of {len(images)} images of {BREASTS} have no row (such as {absent.iloc[0]}); "
            "the tables do not belong together, or one is cut off"
        )


def _metadata(path: Path) -> pd.DataFrame:
    """Age [years], pixel spacing [mm] and manufacturer by image id."""
    table = read_csv(path, ("SOP Instance UID",), dtype=str)

    def column(name: str) -> pd.Series:
        return table[name] if name in table else pd.Series(pd.NA, index=table.index, dtype="string")

    spacing = column("Imager Pixel Spacing").fillna(column("Pixel Spacing"))
    found = pd.DataFrame(
        {
            "image_id": table["SOP Instance UID"],
            "age": pd.to_numeric(
                column("Patient's Age").str.extract(r"(\d+)", expand=False), errors="coerce"
            ),
            "pixel_spacing": pd.to_numeric(spacing.str.extract(r"([\d.]+)", expand=False), errors="coerce"),
            "manufacturer": column("Manufacturer"),
        }
    )
    return found.drop_duplicates("image_id").set_index("image_id")


def _findings(findings: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Labels and boxes by image id; boxes are clipped to the image, as some of the published ones lie outside."""
    sizes = images.drop_duplicates("image_id").set_index("image_id")[["image_height", "image_width"]].astype(float)
    labels: dict[str, dict[str, bool]] = {}
    boxes: dict[str, list[dict]] = {}
    for row in findings.itertuples():
        mine = labels.setdefault(row.image_id, dict.fromkeys(LABELS, False))
        drawn = boxes.setdefault(row.image_id, [])
        for category in _categories(row.finding_categories):
            if label := CATEGORIES[category]:
                mine[label] = True
            if pd.notna(row.xmin) and row.image_id in sizes.index:
                height, width = sizes.loc[row.image_id]
                drawn.append(
                    {
                        "category": category,
                        "x0": min(max(float(row.xmin), 0.0), width),
                        "y0": min(max(float(row.ymin), 0.0), height),
                        "x1": min(max(float(row.xmax), 0.0), width),
                        "y1": min(max(float(row.ymax), 0.0), height),
                    }
                )
    table = pd.DataFrame.from_dict(labels, orient="index", columns=LABELS).astype("boolean")
    table["boxes"] = pd.Series({image: json.dumps(drawn) for image, drawn in boxes.items()}, dtype="string")
    return table


def _categories(text: str) -> list[str]:
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        raise DataError(f"{FINDINGS}: finding_categories is no list: {text!r}") from error
    for category in found:
        if category not in CATEGORIES:
            hint = did_you_mean(str(category), CATEGORIES)
            raise DataError(f"{FINDINGS}: {category!r} is no published category{hint}")
    return [str(c) for c in found]
