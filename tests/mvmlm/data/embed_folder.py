"""EMBED's tables, written here by hand in the open release's layout."""

from __future__ import annotations

import pandas as pd

from mvmlm.data.exam_table import breast_table
from mvmlm.data.readers.embed import Embed

SCREEN, DIAGNOSTIC = "MG Screening Bilateral", "MG Diagnostic Left w/CAD"
ROW = {
    "desc": SCREEN, "tissueden": "2.0", "asses": "N", "numfind": "1", "side": "", "massshape": "", "massmargin": "",
    "massdens": "", "calcfind": "", "calcdistri": "", "path_severity": "", "calcnumber": "0", "bside": "",
    "procdate_anon": "", "RACE_DESC": "African American  or Black", "age_at_study": "61.4", "loc_num": "2",
}  # fmt: skip
FILE = {
    "FinalImageType": "2D", "ImageLateralityFinal": "L", "ViewPosition": "CC", "spot_mag": "", "ROI_coords": "()",
    "SeriesDescription": "L CC", "Manufacturer": "HOLOGIC, Inc.", "ManufacturerModelName": "Selenia Dimensions",
    "Rows": "3328", "Columns": "2560", "BreastImplantPresent": "NO",
}  # fmt: skip


def finding(exam, patient="77", day="2014-03-01", **changed):
    return {"empi_anon": patient, "acc_anon": exam, "study_date_anon": day, **ROW, **changed}


def image(name, exam, patient="77", day="2014-03-01", **changed):
    path = f"/mnt/NAS2/mammo/anon_dicom/cohort_1/{patient}/1.2.{exam}/1.2.3/1.2.826.{name}.dcm"
    ids = {"empi_anon": patient, "acc_anon": exam, "study_date_anon": day, "anon_dicom_path": path}
    return {**ids, **FILE, **changed}


def four(exam, patient="77", day="2014-03-01"):
    views = [(side, view) for side in "LR" for view in ("CC", "MLO")]
    return [
        image(f"{exam}{i}", exam, patient, day, ImageLateralityFinal=side, ViewPosition=view)
        for i, (side, view) in enumerate(views)
    ]


def write(root, findings, images, tables="tables", kind=""):
    (root / tables).mkdir(parents=True, exist_ok=True)
    pd.DataFrame(findings).to_csv(root / tables / f"EMBED_OpenData_clinical{kind}.csv", index=False)
    pd.DataFrame(images).to_csv(root / tables / f"EMBED_OpenData_metadata{kind}.csv", index=False)
    return root


def reader_in(tmp_path):
    """A function from findings and images to the breast table, by exam and side."""

    def made(findings, images=None, **options):
        images = images or [
            row for exam in sorted({f["acc_anon"] for f in findings}) for row in _of(exam, findings)
        ]
        return breast_table(Embed().read(write(tmp_path, findings, images), Embed.Options(**options)))

    def _of(exam, findings):
        first = next(f for f in findings if f["acc_anon"] == exam)
        return four(exam, first["empi_anon"], first["study_date_anon"])

    return made


def take_in(root, findings, files, **options):
    return Embed().take_in(write(root, findings, files), Embed.Options(**options))
