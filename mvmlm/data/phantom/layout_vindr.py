"""VinDr-Mammo's layout: ``images/<study_id>/<image_id>.dicom``, one exam a woman, three tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mvmlm.data.phantom.findings import Finding
from mvmlm.data.phantom.layout import Box, Layout, Row, as_stored
from mvmlm.data.phantom.options import SimulationOptions
from mvmlm.data.phantom.records import Breast, Exam, simulate_exam
from mvmlm.data.phantom.render import Rendered
from mvmlm.data.phantom.views import View

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

BREASTS, FINDINGS, METADATA = "breast-level_annotations.csv", "finding_annotations.csv", "metadata.csv"
BREAST_COLUMNS = (
    "study_id", "series_id", "image_id", "laterality", "view_position", "height", "width",
    "breast_birads", "breast_density", "split",
)  # fmt: skip
FINDING_COLUMNS = (
    "study_id", "series_id", "image_id", "laterality", "view_position", "height", "width",
    "breast_birads", "breast_density", "finding_categories", "finding_birads",
    "xmin", "ymin", "xmax", "ymax", "split",
)  # fmt: skip
#: These 21 columns, the first name twice.
METADATA_COLUMNS = (
    "SOP Instance UID", "Series Instance UID", "SOP Instance UID", "Patient's Age", "View Position",
    "Image Laterality", "Rows", "Columns", "Photometric Interpretation", "Imager Pixel Spacing", "Pixel Spacing",
    "Pixel Padding Value", "Pixel Padding Range Limit", "Window Center", "Window Width", "Rescale Intercept",
    "Rescale Slope", "Rescale Type", "Window Center & Width Explanation", "Manufacturer",
    "Manufacturer's Model Name",
)  # fmt: skip
_KEYWORDS = (
    "PatientAge", "ViewPosition", "ImageLaterality", "Rows", "Columns", "PhotometricInterpretation",
    "ImagerPixelSpacing", "PixelSpacing", "PixelPaddingValue", "PixelPaddingRangeLimit", "WindowCenter",
    "WindowWidth", "RescaleIntercept", "RescaleSlope", "RescaleType", "WindowCenterWidthExplanation",
    "Manufacturer", "ManufacturerModelName",
)  # fmt: skip


@dataclass(frozen=True)
class ReadExam:
    """An exam of which nothing is known beside it."""

    exam: Exam


class VinDrLayout(Layout[ReadExam]):
    """Findings are boxes on views; BI-RADS and density are the breast's; a split is drawn."""

    tables: ClassVar[dict[str, tuple[str, ...]]] = {
        BREASTS: BREAST_COLUMNS,
        FINDINGS: FINDING_COLUMNS,
        METADATA: METADATA_COLUMNS,
    }

    def simulate(self, options: SimulationOptions, index: int) -> ReadExam:
        return ReadExam(simulate_exam(options, index))

    def path(self, case: ReadExam, breast: Breast, view: View) -> PurePosixPath:
        return PurePosixPath("images", case.exam.study_id, f"{view.image_id}.dicom")

    def image_rows(
        self, case: ReadExam, breast: Breast, view: View, rendered: Rendered, file: FileDataset
    ) -> Iterator[Row]:
        exam = case.exam
        head = (
            exam.study_id,
            exam.series_id,
            view.image_id,
            breast.laterality,
            view.name,
            *rendered.picture.shape,
        )
        assessed = (f"BI-RADS {breast.birads}", f"DENSITY {exam.density}")
        split = "test" if exam.test else "training"
        yield BREASTS, (*head, *assessed, split)
        for cells in _findings(breast.laterality, rendered):
            yield FINDINGS, (*head, *assessed, *cells, split)
        yield METADATA, _metadata(file, view.image_id, exam.series_id)


def _findings(laterality: str, rendered: Rendered) -> list[tuple]:
    """Categories, BI-RADS and box of each finding marked in a view, or one row that says there is none."""
    width = rendered.picture.shape[1]
    cells = [_finding(finding, marked, laterality, width) for finding, marked in rendered.boxes]
    return cells or [("['No Finding']", "", "", "", "", "")]


def _finding(finding: Finding, marked: Box, laterality: str, width: int) -> tuple:
    corners = as_stored(tuple(np.round(marked, 2).tolist()), laterality, width)
    known = f"BI-RADS {finding.birads}" if finding.birads_known else ""
    return str(list(finding.categories)), known, *(round(corner, 2) for corner in corners)


def _metadata(file: FileDataset, image_id: str, series_id: str) -> tuple:
    """The row of ``metadata.csv``; where the header lacks an attribute the cell is empty."""
    cells = (file.get(keyword) for keyword in _KEYWORDS)
    return (image_id, series_id, image_id, *("" if cell is None else _cell(cell) for cell in cells))


def _cell(value: object) -> object:
    if isinstance(value, str | int | float):
        return value
    return str([part if isinstance(part, str) and not _number(part) else float(part) for part in value])


def _number(text: str) -> bool:
    return text.replace(".", "", 1).lstrip("-").isdigit()
