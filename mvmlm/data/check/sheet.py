"""A contact sheet of prepared images: which breasts are shown, and how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from mvmlm.data.check.trial import HEIGHT, SEED, WIDTH
from mvmlm.data.exam_table import LABELS, breast_table
from mvmlm.data.regions import Region, read_regions
from mvmlm.data.transform import Transform

MOST_IMAGES = 24
ACROSS = 3  # breasts side by side
MARGIN, GAP, BETWEEN = 20, 6, 26  # pixels: around all, between views, between breasts
HEAD, LINE = 44, 16  # pixels of the title, and of a line of text
PAGE, INK, SOFT, WARNING = (20, 24, 29), (230, 233, 237), (154, 165, 177), (255, 196, 92)
EMPTY = (32, 37, 44)
#: Colour of a box by a word of its category; the first that fits.
COLOURS = {
    "mass": (255, 122, 92),
    "calcif": (92, 200, 255),
    "asymmetr": (250, 214, 90),
    "distort": (190, 140, 255),
}
OTHER = (140, 230, 160)
GRADES = {"birads": "BI-RADS", "density": "density"}


@dataclass(frozen=True)
class Tile:
    """One image of the sheet: its pixels, or why there are none."""

    view: str
    pixels: np.ndarray | None
    reason: str
    regions: tuple[Region, ...]


def choose(exams: pd.DataFrame) -> list[tuple[str, list[int]]]:
    """Breasts to show with index values of their images: positives of each label, every manufacturer, then others.

    Parameters
    ----------
    exams : DataFrame
        Rows whose files are there.
    """
    if not len(exams):
        return []
    breasts = breast_table(exams).sample(frac=1, random_state=np.random.default_rng(SEED))
    breasts["lone"] = (breasts["cc"] < 0) | (breasts["mlo"] < 0)
    breasts = breasts.sort_values("lone", kind="stable")
    chosen: dict[str, None] = {}
    most = MOST_IMAGES // 2
    for wanted in [*_wanted(breasts), pd.Series(True, index=breasts.index)]:
        there = breasts.index[wanted.fillna(False).astype(bool)]
        fresh = there[~breasts.loc[there, "patient_id"].isin(breasts.loc[list(chosen), "patient_id"])]
        take = most - len(chosen) if wanted.all() else int(not any(b in chosen for b in there))
        for breast in [b for b in [*fresh, *there] if b not in chosen][: min(take, most - len(chosen))]:
            chosen[breast] = None
    rows = exams[exams["breast_id"].isin(chosen)].sort_values("image_id")
    return [(breast, _views(rows[rows["breast_id"] == breast])) for breast in chosen]


def _wanted(breasts: pd.DataFrame) -> Iterator[pd.Series]:
    for label in LABELS:
        yield breasts[label]
    for manufacturer in breasts["manufacturer"].value_counts().index:
        yield breasts["manufacturer"] == manufacturer
    yield breasts["implant"]
    for split in ("train", "test"):
        yield breasts["split"] == split


def _views(rows: pd.DataFrame) -> list[int]:
    """The CC view and the MLO view; where there is none, another one in its place."""
    found = []
    for view in ("CC", "MLO"):
        found += rows.index[rows["view"] == view][:1].tolist()
    others = [row for row in rows.index if row not in found]
    return (found + others)[:2]


def tile(row: pd.Series, pixels: np.ndarray | None, said: pd.Series) -> Tile:
    """The tile of one image.

    Parameters
    ----------
    row : Series
        Of the exam table.
    said : Series
        Of what `mvmlm.data.check.trial.try_images` says.
    """
    name = f"{row['laterality']} {row['view']}"
    if pixels is None:
        return Tile(name, None, str(said["reason"]), ())
    transform = Transform.from_row(said[[f.name for f in fields(Transform)]], prefix="")
    regions = tuple(region.to_store(transform) for region in read_regions(said["boxes"]))
    return Tile(name, pixels, "", regions)


def words(rows: pd.DataFrame) -> str:
    """What the exam table says of a breast: positive labels, grades, implant."""
    breast = breast_table(rows).iloc[0]
    known = [label for label in LABELS if not pd.isna(breast[label])]
    said = [label.replace("_", " ") for label in known if breast[label]] or (
        ["no positive label"] if known else []
    )
    said += [f"{word} {breast[name]}" for name, word in GRADES.items() if not pd.isna(breast[name])]
    said += ["implant"] if not pd.isna(breast["implant"]) and breast["implant"] else []
    return " · ".join(said)


def draw(title: str, simulated: bool, breasts: Iterable[tuple[str, str, list[Tile]]]) -> np.ndarray:
    """The sheet, uint8 (H, W, 3).

    Parameters
    ----------
    breasts : iterable of (str, str, list of Tile)
        Two lines of text and one or two tiles.
    """
    from PIL import Image, ImageDraw

    breasts = list(breasts)
    group = 2 * WIDTH + GAP
    height = 3 * LINE + HEIGHT + BETWEEN
    across = min(ACROSS, max(1, len(breasts)))
    lines = -(-len(breasts) // across)
    size = (2 * MARGIN + across * group + (across - 1) * BETWEEN, MARGIN + HEAD + lines * height)
    sheet = Image.new("RGB", size, PAGE)
    pen, plain, bold = ImageDraw.Draw(sheet), _font(12), _font(16, bold=True)
    pen.text((MARGIN, MARGIN), _fit(pen, title, bold, size[0] - 2 * MARGIN), INK, bold)
    if simulated:
        pen.text((size[0] - MARGIN, MARGIN), "SIMULATED DATA", WARNING, bold, anchor="ra")
    for number, (first, second, tiles) in enumerate(breasts):
        x = MARGIN + (number % across) * (group + BETWEEN)
        y = MARGIN + HEAD + (number // across) * height
        pen.text((x, y), _fit(pen, first, plain, group), INK, plain)
        pen.text((x, y + LINE), _fit(pen, second, plain, group), SOFT, plain)
        for place, one in enumerate(tiles):
            _paste(sheet, pen, one, x + place * (WIDTH + GAP), y + 2 * LINE + 6, plain)
    return np.asarray(sheet)


def _paste(sheet, pen, one: Tile, x: int, y: int, font) -> None:
    from PIL import Image

    if one.pixels is None:
        pen.rectangle((x, y, x + WIDTH - 1, y + HEIGHT - 1), EMPTY)
        for line, text in enumerate(_wrapped(pen, f"cannot be used: {one.reason}", font, WIDTH - 16)[:8]):
            pen.text((x + 8, y + 26 + line * LINE), text, WARNING, font)
    else:
        sheet.paste(Image.fromarray((one.pixels >> 8).astype(np.uint8)), (x, y))
    for region in one.regions:
        x0, y0, x1, y1 = (round(v) for v in region.box)
        corners = (max(x0, 0) + x, max(y0, 0) + y, min(x1, WIDTH - 1) + x, min(y1, HEIGHT - 1) + y)
        if corners[0] <= corners[2] and corners[1] <= corners[3]:
            pen.rectangle(corners, outline=_colour(region.category), width=2)
    pen.text((x + WIDTH - 6, y + 4), one.view, INK, font, anchor="ra", stroke_width=2, stroke_fill=PAGE)


def _colour(category: str) -> tuple[int, int, int]:
    return next((colour for word, colour in COLOURS.items() if word in category.casefold()), OTHER)


def _font(size: int, *, bold: bool = False):
    import matplotlib
    from PIL import ImageFont

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)


def _fit(pen, text: str, font, width: int) -> str:
    """A line cut to a width, with a sign that it was cut."""
    if pen.textlength(text, font) <= width:
        return text
    while text and pen.textlength(text + "…", font) > width:
        text = text[:-1]
    return text + "…"


def _wrapped(pen, text: str, font, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if pen.textlength(longer, font) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return [_fit(pen, line, font, width) for line in lines]
