"""EMBED Open Data (Emory): screening and diagnostic exams over years, findings in structured terms, pathology."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pandas as pd

from mvmlm.data.exam_table import DESCRIPTORS
from mvmlm.data.intake import Log
from mvmlm.data.readers import DATASETS, Reader, digest
from mvmlm.data.readers._embed_findings import BREAST, MALE, labels, on_breasts
from mvmlm.data.readers._embed_outcomes import follow_up, malignancy, specimens
from mvmlm.data.readers._embed_tables import EmbedOptions, find, read_findings, read_images
from mvmlm.data.readers.vindr import STATED
from mvmlm.errors import DataError

EXAM = ["patient_id", "exam_id"]


@DATASETS.register("embed")
class Embed(Reader):
    """Reads the open release: tables in ``tables/`` or in the root, files in cohort folders.

    Labels. A finding belongs to a breast of an exam: its row's side, or both breasts where that is B or empty; all
    views of the breast share its labels. A label is unknown where the breast has no row, or has one that asks for
    more and describes nothing. Follow-up is the patient's, from the exam to the first cancer in either breast.
    There is no official split: test patients are drawn.
    """

    Options = EmbedOptions

    name = "embed"
    title = "EMBED Open Data"
    licence = (
        "EMBED research use agreement: non-commercial; its clause 5 forbids releasing weights and embeddings"
    )
    where = "the EMBED entry of the Registry of Open Data on AWS, after a form; github.com/Emory-HITI/EMBED_Open_Data"
    releasable = False
    tasks = ("mass", "calcification", "malignancy", "density", "birads", "risk")
    layout = (
        "EMBED_OpenData_clinical.csv and EMBED_OpenData_metadata.csv (or _reduced.csv), in tables/ or beside it, and "
        "images/cohort_<n>/<patient>/<study>/.../<image>.dcm"
    )
    labels: ClassVar[dict[str, str]] = {
        "mass": "clinical, massshape G R O X N Y D L, massmargin D U M I S or massdens + = -; breast of an exam",
        "asymmetry, architectural_distortion": "clinical, massshape T B S F V, and Q A; breast of an exam",
        "calcification": "clinical, any calcfind or calcdistri, or calcnumber above 0: benign ones too",
        "descriptors": "clinical, codes as BI-RADS terms; those of the breast's gravest mass and gravest calcification",
        "birads": "clinical, asses; of several findings of a breast the gravest: K 6, M 5, S 4, A 0, P 3, B 2, N 1",
        "density": "clinical, tissueden 1 to 4 as A to D, of the exam; patients with a 5 (male) are kept apart",
        "malignancy": (
            "clinical, path_severity 0 and 1 against 2 to 4 (5 and 6 are unknown), of specimens of the breast taken "
            "for the exam or up to pathology_days after it; without any, BI-RADS 6 against 1 to 3 (0, 4, 5 unknown)"
        ),
        "event, years_to_event": (
            "clinical, from the exam to the patient's first path_severity 0 or 1 (procdate_anon) or asses K, else to "
            "her last exam; days / 365.25; unknown after the first cancer"
        ),
        "boxes": "metadata, ROI_coords (ymin, xmin, ymax, xmax), category region; unknown where none was saved",
    }
    #: No size, for the tables have no pixel spacing; no depth, for the reach of the breast differs with the detector.
    report_fields = STATED | {*DESCRIPTORS, "prior", "implant", "mass_location", "calcification_location"}
    outcome_fields = frozenset(("malignancy", "event", "years_to_event"))

    def rows(self, root: Path, options: EmbedOptions, log: Log) -> pd.DataFrame:
        findings, images = read_findings(root, log), read_images(root, options, log)
        exams = _exam_days(images, findings)
        findings = findings.merge(exams, on=EXAM)
        images = _taken(images.merge(exams, on=EXAM, how="left"), findings, options, log)
        found = labels(on_breasts(findings, log), log)
        breasts = (
            images[[*BREAST, "exam_day"]]
            .drop_duplicates(BREAST)
            .join(found, on=BREAST)
            .reset_index(drop=True)
        )
        taken = specimens(findings, log)
        breasts = breasts.join(malignancy(breasts, taken, options.pathology_days)).drop(columns="exam_day")
        exams = exams.join(follow_up(exams, findings, taken, log)).drop(columns="exam_day")
        people = findings.groupby(EXAM)[["race", "age", "site"]].first().reset_index()
        table = images.merge(breasts, on=BREAST, how="left")
        table = table.merge(exams, on=EXAM, how="left").merge(people, on=EXAM, how="left")
        table["dataset"] = self.name
        table["breast_id"] = table["exam_id"] + "_" + table["laterality"]
        table["exam_date"] = table["exam_day"].dt.strftime("%Y-%m-%d")
        return table.drop(columns=["day", "exam_day", "kind", "spot"])

    @classmethod
    def fingerprint(cls, root: Path | None, options: EmbedOptions | None = None) -> str:
        root, options = Path(root), options or cls.Options()
        tables = [find(root, name) for name in ("clinical", "metadata")]
        cohorts = (root / options.folder(root)).glob("cohort*")
        files = (path for cohort in cohorts for path in cohort.rglob(f"*{options.suffix or '.dcm'}"))
        return digest(root, tables, files, options)


def _exam_days(images: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """Day of each exam that any table names: of acquisition, or where there is no image, of the signed report."""
    days = pd.concat([table[[*EXAM, "day"]] for table in (images, findings)])
    days = days.dropna(subset=EXAM).groupby(EXAM, sort=False)["day"].first()
    return days.rename("exam_day").reset_index()


def _taken(images: pd.DataFrame, findings: pd.DataFrame, options: EmbedOptions, log: Log) -> pd.DataFrame:
    """Images of the wanted kinds; the others are kept apart, each under its own name."""
    images = log.set_aside(images, images["kind"].isna(), "FinalImageType is unknown")
    kinds = images["kind"].str.lower().str.replace("-", "")
    wanted = {kind.lower().replace("-", "") for kind in options.image_types}
    for kind in images.loc[~kinds.isin(wanted), "kind"].unique():
        images = log.keep_apart(images, images["kind"] == kind, str(kind))
    if not len(images):
        raise DataError(
            f"embed: no image is of a kind in data.options.image_types ({', '.join(options.image_types)})"
        )
    images = log.keep_apart(images, images["spot"], "spot or magnification")
    men = findings.loc[findings["tissueden"] == MALE, "patient_id"]
    images = log.keep_apart(images, images["patient_id"].isin(men), "male patient")
    if options.screening_only:
        screening = findings.loc[findings["desc"].str.contains("screen", case=False, na=False), "exam_id"]
        images = log.keep_apart(images, ~images["exam_id"].isin(screening), "exam that is no screening")
    owners = images.groupby("exam_id")["patient_id"].transform("nunique")
    images = log.set_aside(images, owners > 1, "exam has two patients")
    alone = ~pd.MultiIndex.from_frame(images[EXAM]).isin(pd.MultiIndex.from_frame(findings[EXAM]))
    if alone.any():
        log.note(
            f"{int(alone.sum())} images are of exams without a clinical row of that patient; labels are unknown"
        )
    return images
