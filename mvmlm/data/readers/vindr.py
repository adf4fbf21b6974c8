"""VinDr-Mammo (PhysioNet, v1.0.0): 5,000 exams, four views each, findings with boxes, no pathology."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from mvmlm.data.exam_table import validate
from mvmlm.data.readers import DATASETS, Reader, digest, read_csv
from mvmlm.errors import DataError

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
SPLITS = {"training": "train", "test": "test"}

#: Published finding category to the label it makes true.
CATEGORIES = {
    "Mass": "mass",
    "Suspicious Calcification": "calcification",
    "Asymmetry": "asymmetry",
    "Focal Asymmetry": "asymmetry",
    "Global Asymmetry": "asymmetry",
    "Architectural Distortion": "architectural_distortion",
}
LABELS = sorted(set(CATEGORIES.values()))
MALIGNANT_FROM = 4
"""VinDr-Mammo has no pathology: a breast of BI-RADS 4 or 5 stands for a malignant one."""


@DATASETS.register("vindr")
class VinDr(Reader):
    """Reads the folder as PhysioNet distributes it.

    Labels. Findings are annotated on views: an image has a mass where any of its finding rows says so (rows of one
    image can disagree, for each row is one box). BI-RADS and density are the breast's. ``malignancy`` is BI-RADS ≥ 4.
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
    tasks = ("mass", "calcification", "malignancy")
    report_fields = frozenset(
        (
            "age",
            "laterality",
            "density",
            "birads",
            "mass",
            "calcification",
            "asymmetry",
            "architectural_distortion",
        )
    )
    outcome_fields = frozenset({"malignancy"})

    def read(self, root: Path, options: Options | None = None) -> pd.DataFrame:
        root = _checked(Path(root))
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
                "birads": breasts["breast_birads"].str.extract(r"(\d)", expand=False).astype("Int64"),
                "density": breasts["breast_density"].str.extract(r"([A-D])\s*$", expand=False),
                "image_height": breasts["height"],
                "image_width": breasts["width"],
            }
        )
        table["malignancy"] = (table["birads"] >= MALIGNANT_FROM).astype("boolean")
        table["malignancy_source"] = table["malignancy"].map(lambda m: pd.NA if pd.isna(m) else "birads")
        for column in ("age", "pixel_spacing", "manufacturer"):
            table[column] = images.map(metadata[column])
        table = table.join(_findings(findings, table), on="image_id")
        views = dict.fromkeys(("path", "boxes", "image_height", "image_width", *LABELS), "view")
        table.attrs["label_level"] = {
            **views,
            "birads": "breast",
            "density": "breast",
            "malignancy": "breast",
        }
        return validate(table)

    @classmethod
    def fingerprint(cls, root: Path | None, options: Options | None = None) -> str:
        root = _checked(Path(root))
        tables = [root / name for name in (BREASTS, FINDINGS, METADATA)]
        for table in tables:
            if not table.is_file():
                raise DataError(f"{table}: no such file; data.root must be the folder as it was published")
        return digest(root, tables, root.glob("images/*/*.dicom"), options or cls.Options())


def _checked(root: Path) -> Path:
    if not (root / "images").is_dir():
        raise DataError(
            f"{root}: no VinDr-Mammo here; expected images/<study>/<image>.dicom, {BREASTS}, {FINDINGS}"
        )
    return root


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
            if category in CATEGORIES:
                mine[CATEGORIES[category]] = True
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
    return [str(c) for c in found]
