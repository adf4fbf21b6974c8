"""INbreast's regions: one Apple property list an image, as a viewer saved them, and the labels that they make."""

from __future__ import annotations

import json
import plistlib
import re
from pathlib import Path

import numpy as np
import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.regions import Region
from mvmlm.errors import DataError

#: Name of a region, in lower case and as it is spelt there, to the label that it makes true.
REGIONS = {
    "mass": "mass",
    "spiculated region": "mass",
    "espiculated region": "mass",
    "calcification": "calcification",
    "calcifications": "calcification",
    "cluster": "calcification",
    "asymmetry": "asymmetry",
    "assymetry": "asymmetry",
    "asimmetry": "asymmetry",
    "distortion": "architectural_distortion",
}
LABELS = tuple(dict.fromkeys(REGIONS.values()))
MOST_BYTES = 100 * 2**20  # of one XML file; the largest, with hundreds of calcifications, have a few MiB
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)


def lists(folder: Path) -> dict[str, Path]:
    """File number to its property list."""
    return {path.stem: path for path in sorted(folder.glob("*.xml"))}


def findings(table: pd.DataFrame, folder: Path, log: Log) -> pd.DataFrame:
    """Labels and boxes by image id.

    Parameters
    ----------
    table : DataFrame
        With ``image_id`` and ``birads``: an image of category 1 needs no list to be without findings.
    folder : Path
        ``AllXML``.
    """
    files, rows = lists(folder), {}
    broken, nameless, silent = [], [], []
    for image, birads in zip(table["image_id"], table["birads"]):
        if image in files:
            try:
                rows[image], named = _row(read_regions(files[image]))
            except DataError as error:
                broken.append(error)
                continue
            nameless += [] if named else [image]
        elif files and pd.notna(birads) and birads == 1:
            rows[image] = dict.fromkeys(LABELS, False) | {"boxes": "[]"}
        else:
            silent.append(image)
    for images, what in (
        (broken, "XML files cannot be read, and the findings of their images are unknown"),
        (
            nameless,
            "images have regions whose name does not say what they are; what no other names is unknown",
        ),
        (silent, "images have no XML file and are not of BI-RADS 1; their findings are unknown"),
    ):
        if images:
            log.note(f"{len(images)} {what} (such as {images[0]})")
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*LABELS, "boxes"])


def _row(regions: list[Region]) -> tuple[dict, bool]:
    """Labels and boxes of one image, and whether every region's name says what it is."""
    kinds = [REGIONS.get(region.category.lower()) for region in regions]
    named = None not in kinds
    row = {label: True if label in kinds else False if named else pd.NA for label in LABELS}
    return row | {"boxes": json.dumps([region.as_dict() for region in regions])}, named


def read_regions(path: Path) -> list[Region]:
    """The regions of one image, from its property list.

    A region of one or two points is a small calcification: its box is as large as they reach, one pixel at least.

    Raises
    ------
    DataError
        When the file is larger than 100 MiB, or no such list.
    """
    if path.stat().st_size > MOST_BYTES:
        raise DataError(f"{path}: has more than {MOST_BYTES >> 20} MiB, as no list of regions")
    try:
        content = plistlib.loads(path.read_bytes(), fmt=plistlib.FMT_XML)
        marked = [region for image in content["Images"] for region in image["ROIs"]]
        found = [(str(region["Name"]).strip(), _points(region["Point_px"])) for region in marked]
    except Exception as error:  # plistlib passes on whatever a damaged list meets in it
        why = " ".join(str(error).split())[:120]
        raise DataError(f"{path}: is no list of regions ({why})") from error
    return [_region(name, points) for name, points in found if len(points)]


def _points(texts: list[str]) -> np.ndarray:
    return np.array([[float(n) for n in NUMBER.findall(text)] for text in texts]).reshape(-1, 2)


def _region(name: str, points: np.ndarray) -> Region:
    low, high = points.min(axis=0), np.maximum(points.max(axis=0), points.min(axis=0) + 1)
    return Region(name, (*low.tolist(), *high.tolist()), points if len(points) > 2 else None)
