"""The picture in the docs: a few simulated exams, with and without what a reader would mark.

    python -m mvmlm.data.phantom.gallery [FILE]
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from mvmlm.data.phantom.findings import CALCIFICATION, MASS, Finding
from mvmlm.data.phantom.options import PhantomOptions
from mvmlm.data.phantom.records import Exam, simulate_exam
from mvmlm.data.phantom.render import Rendered, render_breast

OPTIONS = PhantomOptions(exams=200)
#: Blue, green, red.
_COLOURS = {MASS: (60, 200, 255), CALCIFICATION: (120, 255, 120)}
_OTHER = (255, 140, 200)


def gallery(options: PhantomOptions = OPTIONS) -> np.ndarray:
    """One exam a row, a density class each: R CC, L CC, R MLO, L MLO, boxes drawn; uint8 (H, W, 3), BGR."""
    return np.vstack([_row(exam, options) for exam in _choose(options)])


def _choose(options: PhantomOptions) -> list[Exam]:
    """The first exam of each density class that has a mass on one side and something on the other, or the first."""
    exams = [simulate_exam(options, index) for index in range(options.exams)]
    chosen = []
    for letter in "ABCD":
        mine = [exam for exam in exams if exam.density == letter]
        telling = [exam for exam in mine if _has(exam, MASS) and _has(exam, CALCIFICATION)]
        chosen += (telling or mine)[:1]
    return chosen


def _has(exam: Exam, category: str) -> bool:
    return any(category in finding.categories for breast in exam.breasts for finding in breast.findings)


def _row(exam: Exam, options: PhantomOptions) -> np.ndarray:
    shown = {}
    for breast in exam.breasts:
        rendered = render_breast(breast, options.mass_contrast, options.calcification_contrast)
        for view, one in zip(breast.views, rendered):
            shown[breast.laterality, view.projection.view] = _draw(one, breast.laterality)
    text = f"density {exam.density}, {exam.age} years, BI-RADS " + ", ".join(
        f"{breast.laterality} {breast.birads}" for breast in exam.breasts
    )
    row = np.hstack([shown[side, view] for view in ("CC", "MLO") for side in ("R", "L")])
    cv2.putText(row, text, (12, row.shape[0] - 16), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (200, 200, 200), 1, cv2.LINE_AA)
    return row


def _draw(rendered: Rendered, laterality: str) -> np.ndarray:
    picture = np.rint(np.nan_to_num(rendered.picture) * 255).astype(np.uint8)
    coloured = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    for finding, (x0, y0, x1, y1) in rendered.boxes:
        cv2.rectangle(coloured, (round(x0), round(y0)), (round(x1), round(y1)), _colour(finding), 1, cv2.LINE_AA)
    cut = coloured[:, : int(coloured.shape[1] * 0.62)]  # past the nipple there is only air
    return cut[:, ::-1] if laterality == "R" else cut


def _colour(finding: Finding) -> tuple[int, int, int]:
    return _COLOURS.get(finding.categories[0], _OTHER)


def main(arguments: list[str]) -> None:
    """Write the picture to the file named, or to ``docs/images/phantom.png``."""
    path = Path(arguments[0] if arguments else "docs/images/phantom.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = gallery()
    small = cv2.resize(picture, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA)
    if not cv2.imwrite(str(path), small, [cv2.IMWRITE_PNG_COMPRESSION, 9]):
        raise SystemExit(f"{path}: cannot be written")
    print(path)


if __name__ == "__main__":
    main(sys.argv[1:])
