"""CDD-CESM's files: its annotation table as one spreadsheet or as CSVs, its pictures, its hand-drawn regions."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.pixels import PICTURE_SUFFIXES
from mvmlm.data.readers import read_csv
from mvmlm.data.regions import Region
from mvmlm.errors import DataError

ANNOTATIONS = (
    "Radiology-manual-annotations",
    "Radiology_manual_annotations",
    "cdd_cesm_radiology_manual_annotations",
)
REGIONS = (
    "Radiology_hand_drawn_segmentations_v2",
    "cdd_cesm_hand_drawn_segmentations_v2",
    "Radiology_hand_drawn_segmentations",
)
REGION_COLUMNS = ("#filename", "region_shape_attributes")
#: ``P99_L_DM_MLO_2`` and ``P281_L_DM_MLO2`` are second takes.
NAME = re.compile(r"P(\d+)_([LR])_(DM|CM)_(CC|MLO)_?\d*")
#: Annotators drew up to 14 pixels out of the images; what reaches further was drawn on images of another size.
OVERRUN = 32
MOST_OUTSIDE = 0.05
ROUND = np.linspace(0, 2 * np.pi, 48, endpoint=False)


def find_table(root: Path, names: Iterable[str]) -> Path | None:
    """A table by its known names, in the root or in ``tables/``, as a spreadsheet or as CSV."""
    places = (folder / name for folder in (root, root / "tables") for name in names)
    files = (place.with_name(place.name + suffix) for place in places for suffix in (".xlsx", ".csv"))
    return next((file for file in files if file.is_file()), None)


def read_part(path: Path, part: str, columns: Iterable[str]) -> pd.DataFrame | None:
    """One sheet as text: of the workbook, or of the CSVs beside the annotation table; None where there is none.

    Parameters
    ----------
    path : Path
        The annotation table.
    part : str
        How the sheet's name ends, in letters alone; ``all`` is the annotation table itself.
    """
    if path.suffix == ".xlsx":
        from mvmlm.data.spreadsheet import read_sheet

        names = _sheet_names(path)
        name = next((name for name in names if _letters(name).endswith(part)), None)
        table = None if name is None and part != "all" else read_sheet(path, columns, name)
    elif part == "all":
        table = read_csv(path, columns, dtype=str)
    else:
        files = (file for file in sorted(path.parent.glob("*.csv")) if _letters(file.stem).endswith(part))
        table = next((read_csv(file, columns, dtype=str) for file in files), None)
    return None if table is None else table.astype("string").apply(lambda column: column.str.strip())


def find_pictures(root: Path) -> dict[str, str]:
    """Image name to path below the root, of all pictures so named; folders of masks are passed by."""
    found: dict[str, str] = {}
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if "mask" not in name.lower())
        for file in sorted(files):
            name = "".join(Path(file).stem.split())
            if Path(file).suffix.lower() in PICTURE_SUFFIXES and NAME.fullmatch(name):
                found.setdefault(name, (Path(folder) / file).relative_to(root).as_posix())
    return found


def outlines(path: Path) -> dict[str, list[np.ndarray]]:
    """Outlines by image name, each of shape (n, 2): x, y [pixels]; a marked point has one of no points.

    Raises
    ------
    DataError
        When the table is not there, or a cell is no shape of the VGG annotator.
    """
    table = read_csv(path, REGION_COLUMNS, dtype=str)
    found: dict[str, list[np.ndarray]] = {}
    for file, cell in zip(table["#filename"], table["region_shape_attributes"]):
        try:
            found.setdefault("".join(Path(file).stem.split()), []).append(_outline(json.loads(cell)))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: {file}: region_shape_attributes is no shape: {str(cell)[:80]!r}"
            ) from error
    return found


def boxes(drawn: dict[str, list[np.ndarray]], root: Path, paths: pd.Series, log: Log) -> pd.Series:
    """The ``boxes`` column of images whose regions were drawn on pictures of their own size.

    The set does not say of which size that was. Where more than 5 % of the pictures do not hold their regions, all have
    been resized, and no region can be used; else those are left out that do not fit, and the others are clipped.

    Parameters
    ----------
    paths : Series
        Path below the root by image name.
    """
    fitting, outside, points = {}, 0, 0
    for name in paths.index.intersection(list(drawn)):
        size, marked = _size(root / paths[name]), [outline for outline in drawn[name] if len(outline)]
        points += len(drawn[name]) - len(marked)
        if size is None or not marked:
            continue
        if any((outline.max(axis=0) > np.add(size, OVERRUN)).any() for outline in marked):
            outside += 1
        else:
            fitting[name] = json.dumps([_region(outline, size).as_dict() for outline in marked])
    if outside:
        told = (
            f"{outside} of {outside + len(fitting)} pictures do not hold the regions that were drawn for them"
        )
        if outside > MOST_OUTSIDE * (outside + len(fitting)):
            log.note(f"{told}: these are not of the published size, and no region is used")
            return pd.Series(dtype="string")
        log.note(f"{told}; theirs are left out")
    if points:
        log.note(f"{points} hand-drawn regions are single points; they have no outline and are left out")
    return pd.Series(fitting, dtype="string")


def _outline(shape: dict) -> np.ndarray:
    kind = shape.get("name")
    if kind in ("polygon", "polyline"):
        return np.column_stack([shape["all_points_x"], shape["all_points_y"]]).astype(float)
    if kind in ("circle", "ellipse"):
        across, down = (shape["r"], shape["r"]) if kind == "circle" else (shape["rx"], shape["ry"])
        return np.column_stack([shape["cx"] + across * np.cos(ROUND), shape["cy"] + down * np.sin(ROUND)])
    if kind == "rect":
        x, y, width, height = (shape[key] for key in ("x", "y", "width", "height"))
        return np.array([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], float)
    if shape and kind != "point":
        raise ValueError(kind)
    return np.empty((0, 2))


def _region(outline: np.ndarray, size: tuple[int, int]) -> Region:
    inside = np.clip(outline, 0, size)
    return Region("region", (*inside.min(axis=0).tolist(), *inside.max(axis=0).tolist()), inside)


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height by the picture's header; None where it cannot be read."""
    from PIL import Image as Pillow

    try:
        with Pillow.open(path) as picture:
            return picture.size
    except (OSError, ValueError, SyntaxError, Pillow.DecompressionBombError):
        return None


def _sheet_names(path: Path) -> list[str]:
    from python_calamine import CalamineError

    try:
        with pd.ExcelFile(path, engine="calamine") as workbook:
            return workbook.sheet_names
    except (ValueError, OSError, CalamineError) as error:
        raise DataError(f"{path}: is no spreadsheet ({' '.join(str(error).split())[:120]})") from error


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())
