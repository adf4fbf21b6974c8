"""How a breast lies on the detector, view by view."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mvmlm.data.phantom.anatomy import Anatomy, Projection, outline
from mvmlm.data.phantom.options import SimulationOptions
from mvmlm.data.phantom.streams import VIEW, identifier, stream

if TYPE_CHECKING:
    from mvmlm.data.phantom.records import Woman

STANDARD = ("CC", "MLO")
#: Their places in the streams of random numbers. An axillary tail view (AT) is an MLO that reaches further up.
NAMES = (*STANDARD, "ML", "LM", "AT")
#: Factor of a magnification view.
MAGNIFICATION = 1.8


@dataclass(frozen=True)
class View:
    """One image to render.

    Attributes
    ----------
    image_id : str
        32 hexadecimal digits.
    name : str
        View position as the tables have it: one of `NAMES`.
    number : int
        Of the image in its exam, from 1.
    projection : Projection
    pectoral : tuple of float
        Pectoral muscle, in the picture [cm]. MLO: its depth at the upper edge, and the height over the axis at
        which it ends. CC: the depth of the strip that shows, 0 for none, and the height of its middle.
    seed : tuple of int
        Seed of texture and noise.
    magnified : bool
        Whether it is a magnification view of a finding.
    """

    image_id: str
    name: str
    number: int
    projection: Projection
    pectoral: tuple[float, float]
    seed: tuple[int, ...]
    magnified: bool = False


def take_view(
    options: SimulationOptions,
    woman: Woman,
    side: int,
    anatomy: Anatomy,
    name: str,
    number: int,
    again: int = 0,
) -> View:
    """One exposure.

    Parameters
    ----------
    options : SimulationOptions
    woman : Woman
    side : int
        0 is left.
    anatomy : Anatomy
        Of that breast.
    name : str
    number : int
        Of the image in its exam.
    again : int
        0, or 1 and more for further exposures of the same view: she stands a little differently every time.
    """
    which = (woman.index, side, NAMES.index(name), *((1 + again,) if again else ()))
    rng = stream(options, VIEW, *which)
    upright = name != "CC"
    turned = math.radians(90.0) if name in ("ML", "LM") else woman.angle
    height = options.height
    projection = Projection(
        view="MLO" if upright else "CC",
        angle=turned + math.radians(float(rng.normal(0, 1.5)))
        if upright
        else math.radians(float(rng.normal(0, 2))),
        stretch=anatomy.stretch,
        sag=float(rng.uniform(0.3, 1.6)) if upright else float(rng.normal(0, 0.3)),
        depth=anatomy.depth,
        taper=float(rng.uniform(0.46, 0.60)),
        cut=0.0 if upright else float(rng.uniform(0.0, 1.0)),
        row_of_axis=height * float(rng.uniform(0.54, 0.60) if upright else rng.uniform(0.47, 0.53)),
        pixel=woman.field_cm / height,
        height=height,
        width=options.width,
    )
    if name == "AT":
        projection = replace(projection, row_of_axis=1.35 * projection.row_of_axis)
    if upright:
        top = projection.row_of_axis * projection.pixel
        depth = float(outline(anatomy, projection, np.float32(top))) * float(rng.uniform(0.60, 0.92))
        pectoral = (depth, top * float(rng.uniform(-0.20, 0.20)))
    else:
        pectoral = (float(rng.uniform(0.3, 1.0)) if rng.random() < 0.3 else 0.0, float(rng.uniform(-2, 2)))
    image_id = identifier(options, "image", *which)
    return View(
        image_id, name, number, projection, pectoral, seed=(options.seed, *options.people, VIEW, *which, 1)
    )
