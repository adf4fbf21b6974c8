"""EMBED's layout: ``tables/`` with findings and files, ``images/cohort_<n>/<patient>/<study>/<series>/<image>.dcm``.

Files are written for 2D images, magnification views among them. C-view and 3D images have their rows in the metadata
and no file, as in a download that left them out: the reader keeps them apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar

from mvmlm.data.phantom.dicom_file import uid
from mvmlm.data.phantom.embed_cases import EmbedCase, simulate_case
from mvmlm.data.phantom.embed_codes import CLINICAL, METADATA, described
from mvmlm.data.phantom.history import Call
from mvmlm.data.phantom.layout import Layout, Row, as_stored
from mvmlm.data.phantom.options import SimulationOptions
from mvmlm.data.phantom.records import SIDES, Breast
from mvmlm.data.phantom.render import Rendered, magnified
from mvmlm.data.phantom.views import View

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

CLINICAL_TABLE, METADATA_TABLE = "tables/EMBED_OpenData_clinical.csv", "tables/EMBED_OpenData_metadata.csv"
PREFIX = "/mnt/NAS2/mammo/anon_dicom"
#: Shares, ours: of exams with C-view images too, and of those with 3D ones (published: 24 % of the images are C-view).
C_VIEW, WITH_3D = 0.30, 0.10
#: Of negative breasts beside a called one that get no row, for a bilateral exam implies them; of negative exams whose
#: one row says B instead of nothing; of called images whose box was saved; of files without ViewPosition. Ours.
NO_ROW, BOTH, ROI, NO_VIEW = 0.30, 0.15, 0.50, 0.02


class EmbedLayout(Layout[EmbedCase]):
    """A row a finding and a row a file; dates give the follow-up; there is no split."""

    tables: ClassVar[dict[str, tuple[str, ...]]] = {CLINICAL_TABLE: CLINICAL, METADATA_TABLE: METADATA}

    def simulate(self, options: SimulationOptions, index: int) -> EmbedCase:
        return simulate_case(options, index)

    def path(self, case: EmbedCase, breast: Breast, view: View) -> PurePosixPath:
        return PurePosixPath("images") / _inside(case, view.image_id)

    def pictures(
        self, case: EmbedCase, breast: Breast, rendered: Iterable[Rendered]
    ) -> Iterator[tuple[View, Rendered]]:
        whole = list(zip(breast.views, rendered))
        yield from whole
        view, shown = whole[0]
        if case.visit.diagnostic and shown.boxes:
            again = {
                "image_id": _derived(view.image_id, "spot"),
                "number": 5 + SIDES.index(breast.laterality),
            }
            yield replace(view, magnified=True, **again), magnified(shown, shown.boxes[0][1])

    def finish(self, case: EmbedCase, view: View, file: FileDataset) -> None:
        file.PatientID = str(case.patient_id)
        file.AccessionNumber = str(case.exam_id)
        file.StudyDate = case.day.strftime("%Y%m%d")

    def image_rows(
        self, case: EmbedCase, breast: Breast, view: View, rendered: Rendered, file: FileDataset
    ) -> Iterator[Row]:
        cells = self._file(case, breast, view, rendered, file)
        yield METADATA_TABLE, _ordered(METADATA, cells)
        kinds = [] if view.magnified else ["C-view"] * _chance(case.exam.study_id, C_VIEW)
        kinds += ["3D"] * (bool(kinds) and _chance(case.exam.study_id, WITH_3D))
        for kind in kinds:
            other = cells | {
                "FinalImageType": kind,
                "SeriesDescription": f"{breast.laterality} {view.name} {kind}",
                "anon_dicom_path": f"{PREFIX}/{_inside(case, _derived(view.image_id, kind))}",
                "num_roi": 0,
                "ROI_coords": "()",
            }
            yield METADATA_TABLE, _ordered(METADATA, other)

    def exam_rows(self, case: EmbedCase) -> Iterator[Row]:
        rows = [(side, call) for side in _sides(case) for call in case.calls(side) or (None,)]
        if not case.visit.calls:
            rows = [("B" if _chance(case.exam.study_id, BOTH) else "", None)]
        for number, (side, call) in enumerate(rows, 1):
            yield (
                CLINICAL_TABLE,
                _ordered(CLINICAL, _exam(case) | _finding(case, side, call) | {"numfind": number}),
            )

    def _file(
        self, case: EmbedCase, breast: Breast, view: View, rendered: Rendered, file: FileDataset
    ) -> dict:
        saved = rendered.boxes if _chance(view.image_id, ROI) else ()
        corners = [as_stored(box, breast.laterality, rendered.picture.shape[1]) for _, box in saved]
        rois = tuple((round(y0), round(x0), round(y1), round(x1)) for x0, y0, x1, y1 in corners)
        return _ids(case) | {
            "anon_dicom_path": f"{PREFIX}/{_inside(case, view.image_id)}",
            "StudyDescription": _description(case),
            "SeriesDescription": f"{breast.laterality} {view.name}" + " Spot Mag" * view.magnified,
            "FinalImageType": "2D",
            "ImageLateralityFinal": breast.laterality,
            "ViewPosition": "" if _chance(view.image_id[8:], NO_VIEW) else view.name,
            "spot_mag": 1.0 if view.magnified else "",
            "num_roi": len(rois),
            "ROI_coords": str(rois),
            **{name: file.get(name) for name in ("Manufacturer", "ManufacturerModelName", "Rows", "Columns")},
            "BreastImplantPresent": file.BreastImplantPresent,
        }


def _inside(case: EmbedCase, image_id: str) -> PurePosixPath:
    """Path from the cohort's folder on."""
    exam = case.exam
    folders = (f"cohort_{case.cohort}", str(case.patient_id), uid(exam.study_id), uid(exam.series_id))
    return PurePosixPath(*folders, f"{uid(image_id)}.dcm")


def _derived(image_id: str, what: str) -> str:
    return hashlib.sha256(f"{image_id}/{what}".encode()).hexdigest()[:32]


def _chance(digits: str, share: float) -> bool:
    """True for this share of the identifiers."""
    return int(digits[:8], 16) < share * 2**32


def _ordered(columns: tuple[str, ...], cells: dict) -> tuple:
    return tuple(cells.get(column, "") for column in columns)


def _ids(case: EmbedCase) -> dict:
    ids = {"empi_anon": case.patient_id, "acc_anon": case.exam_id, "cohort_num": case.cohort}
    return ids | {"study_date_anon": case.day.isoformat()}


def _description(case: EmbedCase) -> str:
    if not case.visit.diagnostic:
        return "MG Screening Bilateral"
    names = {"L": "Left", "R": "Right", "LR": "Bilateral"}
    return f"MG Diagnostic {names[''.join(b.laterality for b in case.exam.breasts)]} w/CAD"


def _sides(case: EmbedCase) -> list[str]:
    """Those that get rows of their own."""
    silent = not case.visit.diagnostic and _chance(case.exam.study_id[8:], NO_ROW)
    return [b.laterality for b in case.exam.breasts if case.calls(b.laterality) or not silent]


def _exam(case: EmbedCase) -> dict:
    return _ids(case) | {
        "desc": _description(case),
        "tissueden": float(1 + "ABCD".index(case.exam.density)),
        "total_l_find": len(case.calls("L")),
        "total_r_find": len(case.calls("R")),
        "RACE_DESC": case.race,
        "ETHNIC_GROUP_DESC": "Unreported, Unknown, Unavailable",
        "age_at_study": round(case.age, 2),
    }


def _finding(case: EmbedCase, side: str, call: Call | None) -> dict:
    if call is None:
        return {"side": side, "asses": "N"}
    cells = {"side": side, "asses": call.letter, **described(call.finding)}
    if call.outcome is None:
        return cells
    taken = case.first + timedelta(days=call.biopsy)
    return cells | {
        "bside": side,
        "procdate_anon": taken.isoformat(),
        "path_severity": float(call.outcome.severity),
    }
