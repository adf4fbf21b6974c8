"""A small data set in each published layout, with breasts in its files: what a command meets in a downloaded folder."""

from __future__ import annotations

import json
import plistlib
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

PATIENTS = 12
SIDES, VIEWS = ("L", "R"), ("CC", "MLO")
HEIGHT, WIDTH = 160, 128


def breast(side: str, seed: int, bits: int = 12, lesion: bool = False) -> np.ndarray:
    """A textured half ellipse at the chest wall of its side, brighter in one spot where there is a lesion; uint16."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    depth = 70 + 20 * rng.random()
    inside = ((rows - HEIGHT / 2) / 70) ** 2 + (columns / depth) ** 2 < 1
    texture = cv2.GaussianBlur(rng.random((HEIGHT, WIDTH)), (0, 0), 3)
    values = np.where(inside, 0.45 + 2 * (texture - 0.5), 0)
    if lesion:
        values += 0.4 * np.exp(-((rows - 80) ** 2 + (columns - 30) ** 2) / 50)
    pixels = np.round(np.clip(values, 0, 1) * (2**bits - 1)).astype(np.uint16)
    return pixels if side == "L" else pixels[:, ::-1].copy()


def views() -> Iterator[tuple[int, str, str, int]]:
    """Patient, side, view, and a number of its own, of every image."""
    for patient in range(1, PATIENTS + 1):
        for s, side in enumerate(SIDES):
            for v, view in enumerate(VIEWS):
                yield patient, side, view, 4 * patient + 2 * s + v


def ill(patient: int, side: str) -> bool:
    """Whether this breast holds the finding."""
    return patient % 2 == 0 and side == "L"


def dicom(path: Path, pixels: np.ndarray, bits: int = 12, **elements) -> None:
    """Write a mammogram as DICOM."""
    from pydicom.uid import generate_uid

    from tests.mvmlm.data.test_dicom import a_file

    path.parent.mkdir(parents=True, exist_ok=True)
    file = a_file(pixels.astype(np.uint8) if bits == 8 else pixels, bits, **elements)
    file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[str(path)])
    file.save_as(path, enforce_file_format=True)


def cbis_ddsm(root: Path) -> None:
    """Four case descriptions; a folder a case, with the paths that the tables say; masks beside crops."""
    tables: dict[str, list[dict]] = {}
    for patient, side, view, number in views():
        if side == "R":
            continue  # one breast a woman
        kind = "mass" if patient % 3 else "calc"
        split = "test" if patient > 8 else "train"
        long_side = "LEFT"
        case = f"{kind.capitalize()}-{'Training' if split == 'train' else 'Test'}_P_{patient:05}_{long_side}_{view}"
        full, crop, mask = (f"{case}{end}/1.3.{number}/1.4.{number}/000000.dcm" for end in ("", "_1", "_1"))
        mask = mask.replace("000000", "000001")
        dicom(root / full, breast(side, number, 16, True), 16, PatientID=case)
        drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
        drawn[70:90, 20:40] = 255
        dicom(root / mask, drawn, 8)
        dicom(root / crop, breast(side, number, 16)[60:100, 10:50], 16)
        described = (
            {"mass shape": "IRREGULAR", "mass margins": "SPICULATED"}
            if kind == "mass"
            else {"calc type": "PLEOMORPHIC", "calc distribution": "CLUSTERED"}
        )
        row = {
            "patient_id": f"P_{patient:05}",
            "breast_density" if kind == "mass" else "breast density": 1 + patient % 4,
            "left or right breast": long_side,
            "image view": view,
            "abnormality id": 1,
            "abnormality type": "mass" if kind == "mass" else "calcification",
            **described,
            "assessment": 4 + patient % 2,
            "pathology": "MALIGNANT" if patient % 2 else "BENIGN",
            "subtlety": 4,
            "image file path": full,
            "cropped image file path": f"{mask}\n",  # swapped with the mask, as in places of the real one
            "ROI mask file path": f"{crop}\n",
        }
        tables.setdefault(f"{kind}_case_description_{split}_set.csv", []).append(row)
    for name, rows in tables.items():
        pd.DataFrame(rows).to_csv(root / name, index=False)


def cmmd(root: Path) -> None:
    """A spreadsheet of breasts; sides and views in the headers alone; 8 bits, sigmoid window."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    codes = {"CC": "399162004", "MLO": "399368009"}
    for patient, side, view, number in views():
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = codes[view], "SCT", view
        name = f"CMMD/D1-{patient:04}/07-18-2010-NA-NA-{patient}/1.000000-NA-{patient}/1-{number - 4 * patient + 1}.dcm"
        dicom(
            root / name,
            breast(side, number, 8, ill(patient, side)),
            8,
            ImageLaterality=side,
            ViewCodeSequence=Sequence([item]),
            PatientID=f"D1-{patient:04}",
            WindowCenter=128,
            WindowWidth=256,
            VOILUTFunction="SIGMOID",
        )
    sheet = pd.DataFrame(
        [
            {
                "ID1": f"D1-{patient:04}",
                "LeftRight": side,
                "Age": 40 + patient,
                "number": 2,
                "abnormality": "mass" if ill(patient, side) else "calcification",
                "classification": "Malignant" if ill(patient, side) else "Benign",
                "subtype": None,
            }
            for patient in range(1, PATIENTS + 1)
            for side in SIDES
        ]
    )
    write_sheet(root / "CMMD_clinicaldata_revision.xlsx", {"Sheet1": sheet})


def cdd_cesm(root: Path) -> None:
    """JPEG in two folders, annotations as a spreadsheet, regions as a CSV of the VGG annotator."""
    rows, regions = [], []
    for patient, side, view, number in views():
        for kind, folder in (("DM", "Low energy images of CDD-CESM"), ("CM", "Subtracted images of CDD-CESM")):
            name = f"P{patient}_{side}_{kind}_{view}"
            path = root / folder / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), (breast(side, number, 8, ill(patient, side))).astype(np.uint8))
            rows.append(
                {
                    "Image_name": name,
                    "Patient_ID": patient,
                    "Side": side,
                    "Type": "DM" if kind == "DM" else "CESM",
                    "Age": 40 + patient,
                    "Breast density (ACR)": "ABCD"[patient % 4] if kind == "DM" else "_",
                    "BIRADS": "5$2" if ill(patient, side) else "1",
                    "Findings": "Irregular mass" if ill(patient, side) else "Normal",
                    "View": view,
                    "Tags": "suspicious, mass" if ill(patient, side) else "normal",
                    "Machine": 1,
                    "Pathology Classification/ Follow up": "Malignant" if ill(patient, side) else "Normal",
                }
            )
            if ill(patient, side):
                shape = {"name": "circle", "cx": 30, "cy": 80, "r": 10}
                regions.append((f"{name}.jpg", path.stat().st_size, "{}", 1, 0, json.dumps(shape), "{}"))
    write_sheet(root / "Radiology-manual-annotations.xlsx", {"all": pd.DataFrame(rows)})
    columns = ["#filename", "file_size", "file_attributes", "region_count", "region_id", "region_shape_attributes"]
    pd.DataFrame(regions, columns=[*columns, "region_attributes"]).to_csv(
        root / "Radiology_hand_drawn_segmentations_v2.csv", index=False
    )


def inbreast(root: Path) -> None:
    """A semicolon table with blanked ids, DICOM named by a hash, regions as Apple property lists."""
    rows = []
    for patient, side, view, number in views():
        file = 20586900 + number
        place = "CC" if view == "CC" else "ML"
        name = f"{file}_{patient:016x}_MG_{side}_{place}_ANON.dcm"
        dicom(root / "AllDICOMs" / name, breast(side, number, 14, ill(patient, side)), 14)
        grade = "4a" if ill(patient, side) else "1"
        rows.append(("removed", "removed", side, view, 201001, file, f"{patient % 4 + 1} ", grade))
        if ill(patient, side):
            x = 30 if side == "L" else WIDTH - 30
            points = [f"({x - 8}.0, 72.0)", f"({x + 8}.0, 72.0)", f"({x + 8}.0, 88.0)", f"({x - 8}.0, 88.0)"]
            region = {"Name": "Mass", "NumberOfPoints": 4, "Point_px": points, "IndexInImage": 0}
            content = {"Images": [{"ImageIndex": 0, "NumberOfROIs": 1, "ROIs": [region]}]}
            (root / "AllXML").mkdir(exist_ok=True)
            (root / "AllXML" / f"{file}.xml").write_bytes(plistlib.dumps(content))
    columns = ["Patient ID", "Patient age", "Laterality", "View", "Acquisition date", "File Name", "ACR", "Bi-Rads"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "INbreast.csv", sep=";", index=False)


def csaw_cc(root: Path) -> None:
    """One table of screenings over years; files by their names."""
    rows = []
    for patient, side, view, number in views():
        case = patient % 2 == 0
        name = f"{patient:05}_20990909_{side}_{view}_1.dcm"
        dicom(root / name, breast(side, number, 12, ill(patient, side)))
        rows.append(
            {
                "anon_patientid": patient,
                "exam_year": 2012,
                "anon_filename": name,
                "x_case": int(case),
                "x_cancer_laterality": "Left" if case else None,
                "x_type": 1 if case else None,
                "x_age": 2,
                "x_lymphnode_met": 0 if case else None,
                "rad_timing": 1 if case else None,
                "rad_r1": 1,
                "rad_r2": 1,
                "rad_recall": int(case),
                "rad_recall_type_left": None,
                "rad_recall_type_right": None,
                "imagelaterality": "Left" if side == "L" else "Right",
                "viewposition": view,
                "libra_breastarea": 100.0,
                "libra_densearea": 20.0,
                "libra_percentdensity": 20.0,
            }
        )
    pd.DataFrame(rows).to_csv(root / "CSAW-CC_breast_cancer_screening_data.csv", index=False)


def table(root: Path) -> None:
    """PNG files and a CSV."""
    rows = []
    for patient, side, view, number in views():
        name = f"{patient}_{side}_{view}.png"
        cv2.imwrite(str(root / name), breast(side, number, 16, ill(patient, side)))
        rows.append((name, f"p{patient}", side, view, int(ill(patient, side))))
    columns = ["file", "patient_id", "laterality", "view", "malignancy"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "labels.csv", index=False)


def write_sheet(path: Path, sheets: dict[str, pd.DataFrame]) -> None:
    """A real .xlsx file: the few parts that the format needs, zipped."""
    import zipfile
    from xml.sax.saxutils import escape

    def cell(value: object) -> str:
        if pd.isna(value):
            return "<c/>"
        if isinstance(value, int | float | np.integer):
            return f"<c><v>{value}</v></c>"
        return f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'

    def part(frame: pd.DataFrame) -> str:
        rows = [list(frame.columns), *frame.astype(object).to_numpy().tolist()]
        lines = "".join(f"<row>{''.join(map(cell, row))}</row>" for row in rows)
        return f'{HEAD}<worksheet xmlns="{MAIN}"><sheetData>{lines}</sheetData></worksheet>'

    names = "".join(f'<sheet name="{n}" sheetId="{i}" r:id="rId{i}"/>' for i, n in enumerate(sheets, 1))
    links = "".join(
        f'<Relationship Id="rId{i}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>'
        for i in range(1, len(sheets) + 1)
    )
    kinds = "".join(
        f'<Override PartName="/xl/worksheets/sheet{i}.xml" ContentType="{SHEET}.worksheet+xml"/>'
        for i in range(1, len(sheets) + 1)
    )
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(
            "[Content_Types].xml",
            f'{HEAD}<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{SHEET}.sheet.main+xml"/>{kinds}</Types>',
        )
        file.writestr(
            "_rels/.rels",
            f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
            f'Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        file.writestr(
            "xl/workbook.xml",
            f'{HEAD}<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{names}</sheets></workbook>',
        )
        file.writestr(
            "xl/_rels/workbook.xml.rels",
            f'{HEAD}<Relationships xmlns="{PACKAGE}/relationships">{links}</Relationships>',
        )
        for i, frame in enumerate(sheets.values(), 1):
            file.writestr(f"xl/worksheets/sheet{i}.xml", part(frame))


HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"

#: Data set to what writes it.
LAYOUTS: dict[str, Callable[[Path], None]] = {
    "cbis_ddsm": cbis_ddsm,
    "cmmd": cmmd,
    "cdd_cesm": cdd_cesm,
    "inbreast": inbreast,
    "csaw_cc": csaw_cc,
    "table": table,
}
#: How many of its images are to be used.
IMAGES = {**dict.fromkeys(LAYOUTS, 4 * PATIENTS), "cbis_ddsm": 2 * PATIENTS}
