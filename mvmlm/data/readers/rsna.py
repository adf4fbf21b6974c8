"""RSNA Screening Mammography (Kaggle, 2022): 11,913 patients, one exam each, cancer by pathology; no findings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.readers import DATASETS, Reader, digest, read_csv
from mvmlm.errors import ConfigError, DataError

TABLE = "train.csv"
COLUMNS = ("site_id", "patient_id", "image_id", "laterality", "view", "age", "cancer", "BIRADS") + (
    "implant",
    "density",
    "machine_id",
)
#: The site whose ``implant`` was recorded (for the patient, not the breast); elsewhere 0 is no observation.
IMPLANT_SITE = "1"
TRUTH = {"1": True, "0": False, "True": True, "False": False}


@dataclass(frozen=True)
class RsnaOptions:
    """Where the images are.

    Attributes
    ----------
    images : str
        Folder of the images, relative to the root.
    suffix : str
        File name's end; ``.png`` reads an export with the same folders and names.
    """

    images: str = "train_images"
    suffix: str = ".dcm"

    def __post_init__(self) -> None:
        if not self.images:
            raise ConfigError("rsna: images: no folder is named (train_images is the published one)")
        if not self.suffix.startswith("."):
            raise ConfigError(f"rsna: suffix: {self.suffix!r} does not start with a dot")


@DATASETS.register("rsna")
class Rsna(Reader):
    """Reads the folder as the competition distributes it.

    Labels. ``malignancy`` is the column ``cancer``, which is the breast's; a breast whose rows disagree is positive.
    BI-RADS 0, 1 and 2 stand in the table and never in a report: in each site the category, or its absence, gives the
    cancers away, as do biopsy, invasive and difficult_negative_case, which are not read at all. There is no official
    split with labels: test patients are drawn.
    """

    Options = RsnaOptions

    name = "rsna"
    title = "RSNA Screening Mammography Breast Cancer Detection"
    licence = "competition rules: non-commercial use, no re-identification"
    where = "kaggle.com/competitions/rsna-breast-cancer-detection, after its rules are accepted"
    releasable = None
    tasks = ("malignancy", "density")
    layout = f"train_images/<patient>/<image>.dcm, {TABLE}"
    labels: ClassVar[dict[str, str]] = {
        "malignancy": f"{TABLE}, cancer, by pathology; true for all views of a breast where any row says 1",
        "density": f"{TABLE}, density A to D, of the patient; unknown for all of site 2",
        "birads": f"{TABLE}, BIRADS as published: 0 recalled, 1 negative, 2 normal; unknown for half of the images",
        "implant": f"{TABLE}, implant, of the patient; known for site 1 alone",
        "site, machine, age": f"{TABLE}, site_id, machine_id, age [years]",
    }
    published: ClassVar[dict[str, int]] = {
        "images": 54706,
        "breasts": 23826,
        "exams": 11913,
        "patients": 11913,
        "malignancy images": 1158,
        "malignancy breasts": 492,
        "malignancy patients": 486,
        "implant images": 1477,
        "site 1 images": 29519,
        "site 2 images": 25187,
        "site 1 patients": 5818,
        "site 2 patients": 6095,
        "view MLO images": 27903,
        "view CC images": 26765,
        "view AT images": 19,
        "view LM images": 10,
        "view ML images": 8,
        "view LMO images": 1,
    }
    #: No implant: it is recorded for site 1 alone, so that a report with it would name the site.
    report_fields = frozenset(("age", "density", "laterality"))
    outcome_fields = frozenset(
        ("malignancy", "birads", "cancer", "biopsy", "invasive", "difficult_negative_case")
    )

    def rows(self, root: Path, options: RsnaOptions, log: Log) -> pd.DataFrame:
        _check(root, options)
        given = read_csv(root / TABLE, COLUMNS, dtype=str)
        given = given.apply(lambda column: column.str.strip())
        patient, image, site = (_identity(given[name]) for name in ("patient_id", "image_id", "site_id"))
        table = pd.DataFrame(
            {
                "dataset": self.name,
                "patient_id": patient,
                "exam_id": patient,
                "breast_id": patient + "_" + given["laterality"],
                "image_id": image,
                "laterality": given["laterality"],
                "view": given["view"],
                "path": options.images + "/" + patient + "/" + image + options.suffix,
                "age": pd.to_numeric(given["age"], errors="coerce"),
                "site": site,
                "machine": _identity(given["machine_id"]),
                "implant": _implant(given["implant"], site),
                "birads": _category(given["BIRADS"]),
                "density": given["density"],
            }
        )
        table["malignancy"] = _cancer(given["cancer"], table["breast_id"], log)
        table["malignancy_source"] = table["malignancy"].map({True: "pathology", False: "pathology"})
        _tell_oddities(table, log)
        return table

    @classmethod
    def fingerprint(cls, root: Path | None, options: RsnaOptions | None = None) -> str:
        root, options = Path(root), options or cls.Options()
        _check(root, options)
        return digest(root, [root / TABLE], root.glob(f"{options.images}/*/*{options.suffix}"), options)


def _check(root: Path, options: RsnaOptions) -> None:
    if not (root / options.images).is_dir():
        raise DataError(
            f"{root}: no RSNA Screening Mammography here; expected {Rsna.layout} "
            f"(data.options.images names another folder than {options.images})"
        )


def _identity(values: pd.Series) -> pd.Series:
    """Whole numbers as text: a table that was saved anew may have them as ``10006.0``."""
    return values.str.removesuffix(".0")


def _truth(column: str, values: pd.Series) -> pd.Series:
    found = _identity(values).map(TRUTH).astype("boolean")
    wrong = values[values.notna() & found.isna()]
    if len(wrong):
        raise DataError(
            f"{TABLE}: {column}: {len(wrong)} cells are neither 0 nor 1 (such as {wrong.iloc[0]!r})"
        )
    return found


def _category(values: pd.Series) -> pd.Series:
    found = pd.to_numeric(values, errors="coerce")
    wrong = values[values.notna() & ~found.isin((0, 1, 2))]
    if len(wrong):
        raise DataError(
            f"{TABLE}: BIRADS: {len(wrong)} cells are none of 0, 1, 2 (such as {wrong.iloc[0]!r})"
        )
    return found.astype("Int64")


def _implant(values: pd.Series, site: pd.Series) -> pd.Series:
    found = _truth("implant", values)
    return found.mask((~found & (site != IMPLANT_SITE)).fillna(False))


def _cancer(values: pd.Series, breast: pd.Series, log: Log) -> pd.Series:
    cancer = _truth("cancer", values)
    by_breast = cancer.groupby(breast)
    split = int((by_breast.nunique() > 1).sum())
    if split:
        log.note(
            f"{split} breasts have views with and without cancer; each counts as cancer in all of its views"
        )
    return by_breast.transform("max").fillna(cancer).astype("boolean")


def _tell_oddities(table: pd.DataFrame, log: Log) -> None:
    views = table[table["view"].isin(("CC", "MLO"))].groupby("breast_id")["view"]
    more = int((views.size() > views.nunique()).sum())
    if more:
        log.note(f"{more} breasts have a view more than once; the first by image_id pairs")
    machines = int((table.groupby("patient_id")["machine"].nunique() > 1).sum())
    if machines:
        log.note(f"{machines} patients were imaged by more than one machine")
    unknown = table["birads"].isna() & table["malignancy"].notna()
    if unknown.any():
        log.note(
            f"{int(unknown.sum())} images have no BI-RADS, and where it is missing tells of cancer: never in a report"
        )
