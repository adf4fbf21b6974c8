"""A picture of what preprocessing does to an image, step by step: a row an image, a column a step.

    python -m mvmlm.data.show_steps FILE [FILE …] --out steps.png
    python -m mvmlm.data.show_steps                         the picture in the docs, from simulated mammograms
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from mvmlm.data.breast import breast_box, glance, small_mask
from mvmlm.data.pixels import Image, read_image
from mvmlm.data.preprocess import to_store

STEPS = ("as stored", "1 shown", "2 breast found", "3 cropped", "4 chest wall left", "5, 6 resized, padded")
SIZE = (1520, 912)
DPI = 110
OUTLINE = (0.25, 0.75, 1.0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the images named, or a few of the phantom's."""
    parser = argparse.ArgumentParser(prog="python -m mvmlm.data.show_steps", description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--out", type=Path, default=Path("docs/images/preprocessing.png"))
    parser.add_argument("--intensity", choices=("voi", "percentile"), default="voi")
    asked = parser.parse_args(arguments)
    images = [(path.name, read_image(path, asked.intensity)) for path in asked.files] or _simulated(asked.intensity)
    draw(images, asked.out, asked.intensity)
    print(asked.out)


def draw(images: Sequence[tuple[str, Image]], out: Path, intensity: str = "voi") -> None:
    """Write the picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.0 * len(STEPS), 2.75 * len(images)), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(images), len(STEPS), squeeze=False)
    for number, (row, (name, image)) in enumerate(zip(axes, images)):
        for place, title, picture in zip(row, STEPS, steps(image, intensity)):
            place.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
            place.set_xticks([])
            place.set_yticks([])
            for side in place.spines.values():
                side.set_color("0.75")
            if number == 0:
                place.set_title(title, fontsize=9)
        row[0].set_ylabel(name, fontsize=8)
    figure.tight_layout(pad=0.6)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


def steps(image: Image, intensity: str = "voi") -> list[np.ndarray]:
    """One picture a step, grey (H, W) or coloured (H, W, 3), in [0, 1]."""
    seen = glance(image.stored, image.table)
    mask = small_mask(seen)
    y0, y1, x0, x1 = breast_box(mask, seen.shape)
    crop = seen[y0:y1, x0:x1]
    pixels, transform = to_store(image, *SIZE, intensity=intensity)
    turned = crop[:, ::-1] if transform.flipped else crop
    return [_as_stored(image), seen, _outlined(seen, mask), crop, turned, pixels / 65535]


def _as_stored(image: Image) -> np.ndarray:
    """Stored values between their extremes, as if the header said nothing."""
    step = max(1, max(image.shape) // 800)
    stored = image.stored[::step, ::step].astype(np.float32)
    return (stored - stored.min()) / max(1.0, float(np.ptp(stored)))


def _outlined(seen: np.ndarray, mask: np.ndarray) -> np.ndarray:
    coloured = np.repeat(seen[:, :, None], 3, axis=2)
    large = cv2.resize(mask.astype(np.uint8), seen.shape[::-1], interpolation=cv2.INTER_NEAREST)
    outlines, _ = cv2.findContours(large, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    canvas = np.ascontiguousarray(coloured)
    cv2.drawContours(canvas, outlines, -1, OUTLINE, max(2, max(seen.shape) // 200))
    return canvas


def _simulated(intensity: str) -> list[tuple[str, Image]]:
    """A view of each simulated machine, right breasts and left, with a marker and a label."""
    import tempfile

    from mvmlm.data.phantom import PhantomOptions
    from mvmlm.data.phantom.write import generate
    from mvmlm.data.readers.phantom import Phantom

    with tempfile.TemporaryDirectory() as folder:
        options = PhantomOptions(exams=12, seed=3)
        generate(Path(folder) / "exams", options)
        exams = Phantom().read(Path(folder) / "exams", options)
        views = exams.assign(kind=exams["laterality"] + " " + exams["view"])
        chosen = views.drop_duplicates(["manufacturer"]).index
        picked = [exams.loc[row + shift] for row, shift in zip(chosen, (1, 3, 2))]
        return [
            (_named(row), _marked(Path(folder) / "exams" / row["path"], intensity))
            for row in picked
        ]


def _named(row: pd.Series) -> str:
    return f"{row['laterality']} {row['view']}, {row['manufacturer']}"


def _marked(path: Path, intensity: str) -> Image:
    """An image with a lead marker and a burned-in label beside the breast, as many real ones have."""
    image = read_image(path, intensity)
    height, width = image.shape
    drawn = np.zeros((height, width), np.uint8)
    right = image.meta.laterality == "R"
    x = int(0.06 * width) if right else int(0.72 * width)
    text = f"{image.meta.laterality} {image.meta.view}"
    cv2.putText(drawn, text, (x, int(0.12 * height)), cv2.FONT_HERSHEY_SIMPLEX, width / 560, 1, 2)
    corner = (int(0.05 * width) if right else int(0.8 * width), int(0.9 * height))
    cv2.rectangle(drawn, corner, (corner[0] + width // 8, corner[1] + height // 24), 1, -1)
    bright = np.flatnonzero(image.table >= image.table.max())[0].astype(image.stored.dtype)
    return Image(np.where(drawn > 0, bright, image.stored), image.table, image.meta)


if __name__ == "__main__":
    main()
