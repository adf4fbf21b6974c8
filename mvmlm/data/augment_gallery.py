"""The picture in the docs: a simulated mammogram, and what each augmentation makes of it.

python -m mvmlm.data.augment_gallery [FILE]
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from mvmlm.data.augment import CHANCES, Augmentation, chances
from mvmlm.data.pixels import WHITE, read_image
from mvmlm.data.preprocess import to_store

SIZE = (760, 456)
DPI, COLUMNS, DRAWS = 100, 6, 8
PUBLISHED = Augmentation(
    flip=0.5, vertical_flip=0.5, affine=0.5, rotate=20, shift=0.1, scale=0.2, shear=20, intensity=0.0
)
#: Caption, settings, and what is drawn: the middle of everything, but for what is said.
STEPS: tuple[tuple[str, dict[str, float], dict[str, float]], ...] = (
    ("as stored", {}, {}),
    ("flip", {"flip": 1.0}, {}),
    ("vertical_flip", {"vertical_flip": 1.0}, {}),
    ("rotate: 20°", {"rotate": 20.0}, {"rotate": 1.0}),
    ("shift: 0.1, both ways", {"shift": 0.1}, {"down": 0.999, "right": 0.999}),
    ("scale: −0.2", {"scale": 0.2}, {"scale": 0.0}),
    ("shear: 20°", {"shear": 20.0}, {"shear_x": 1.0}),
    ("crop: 0.3", {"crop": 0.3}, {"crop": 1.0}),
    ("intensity: −0.3", {"intensity": 0.3}, {"gain": 0.0}),
    ("gamma: 0.5, darker", {"gamma": 0.5}, {"gamma": 1.0}),
    ("gamma: 0.5, lighter", {"gamma": 0.5}, {"gamma": 0.0}),
    ("erase", {"erase": 1.0}, {"erase": 0.0, "erase_area": 1.0, "erase_right": 0.3}),
)


def steps(image: np.ndarray) -> list[list[tuple[str, np.ndarray]]]:
    """Rows of captions and pictures: each change by itself, then draws of the default, then of the published one.

    Parameters
    ----------
    image : ndarray, shape (H, W), float32 in [0, 1]
    """
    single = [(caption, _changed(image, asked, said)) for caption, asked, said in STEPS]
    rows = [single[start : start + COLUMNS] for start in range(0, len(single), COLUMNS)]
    many = torch.from_numpy(image).expand(COLUMNS, 1, 1, *image.shape)
    drawn = chances(COLUMNS, seed=DRAWS, epoch=1, views=1)
    for name, augmentation in (("default", Augmentation()), ("published", PUBLISHED)):
        pictures = augmentation(many, drawn)[:, 0, 0].numpy()
        rows.append([(f"{name}, {i + 1}", picture) for i, picture in enumerate(pictures)])
    return rows


def _changed(image: np.ndarray, asked: dict[str, float], said: dict[str, float]) -> np.ndarray:
    drawn = np.array([said.get(name, 0.5) for name in CHANCES]).reshape(-1, 1, 1)
    changed = replace(Augmentation.none(), **asked)(torch.from_numpy(image)[None, None, None], drawn)
    return changed[0, 0, 0].numpy()


def draw(image: np.ndarray, out: Path) -> None:
    """Write the picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = steps(image)
    figure = Figure(figsize=(1.55 * COLUMNS, 2.8 * len(rows)), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), COLUMNS, squeeze=False)
    for places, row in zip(axes, rows):
        for place, (caption, picture) in zip(places, row):
            place.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="antialiased")
            place.set_title(caption, fontsize=9)
            place.set_axis_off()
    figure.tight_layout(pad=0.5)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)


def _simulated() -> np.ndarray:
    """An MLO view as a store holds it."""
    from mvmlm.data.phantom import PhantomOptions
    from mvmlm.data.phantom.write import generate
    from mvmlm.data.readers.phantom import Phantom

    with tempfile.TemporaryDirectory() as folder:
        options = PhantomOptions(exams=12, seed=3)
        generate(Path(folder), options)
        exams = Phantom().read(Path(folder), options)
        shown = exams[(exams["view"] == "MLO") & exams["mass"].fillna(False)]
        return to_store(read_image(Path(folder) / shown["path"].iloc[0]), *SIZE)[0] / np.float32(WHITE)


def main(arguments: list[str]) -> None:
    """Write the picture to the file named, or to ``docs/images/augmentation.png``."""
    out = Path(arguments[0] if arguments else "docs/images/augmentation.png")
    draw(_simulated(), out)
    print(out)


if __name__ == "__main__":
    main(sys.argv[1:])
