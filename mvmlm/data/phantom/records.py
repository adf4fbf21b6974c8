"""Who is examined, what her breasts hold, and what a reader says of it. Decides everything but the pixels."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mvmlm.data.phantom import lesions
from mvmlm.data.phantom.anatomy import GLAND_SHARE, Anatomy, Projection, outline
from mvmlm.data.phantom.equipment import EQUIPMENT, Equipment
from mvmlm.data.phantom.findings import Finding
from mvmlm.data.phantom.options import PhantomOptions

#: Streams of random numbers of one exam, so that more draws in one leave the others as they are.
_WOMAN, _BREAST, _VIEW, _GLAND, _SPLIT = range(5)
SIDES = ("L", "R")
VIEWS = ("CC", "MLO")


@dataclass(frozen=True)
class View:
    """One image to render.

    Attributes
    ----------
    image_id : str
        32 hexadecimal digits.
    projection : Projection
    pectoral : tuple of float
        Pectoral muscle, in the picture [cm]. MLO: its depth at the upper edge, and the height over the axis at
        which it ends. CC: the depth of the strip that shows, 0 for none, and the height of its middle.
    seed : tuple of int
        Seed of texture and noise.
    """

    image_id: str
    projection: Projection
    pectoral: tuple[float, float]
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Breast:
    """One side: its anatomy, its findings, its assessment (1 to 5), its two views."""

    laterality: str
    anatomy: Anatomy
    findings: tuple[Finding, ...]
    birads: int
    views: tuple[View, ...]


@dataclass(frozen=True)
class Exam:
    """One woman's screening visit. ``age`` in years, ``age_known`` whether the file says it."""

    study_id: str
    series_id: str
    test: bool
    age: int
    age_known: bool
    density: str
    equipment: Equipment
    pixel_mm: float
    breasts: tuple[Breast, ...]


def identifier(options: PhantomOptions, *what: object) -> str:
    """32 hexadecimal digits that follow from the seed."""
    return hashlib.sha256("/".join(map(str, ("phantom", options.seed, *what))).encode()).hexdigest()[:32]


def simulate_exam(options: PhantomOptions, index: int) -> Exam:
    """Exam number ``index``; every exam has its own random numbers, so the number of workers changes nothing.

    Parameters
    ----------
    options : PhantomOptions
    index : int
        0 to ``options.exams - 1``.
    """
    rng = _rng(options, _WOMAN, index)
    age = int(np.clip(round(rng.normal(52, 10)), 32, 86))
    density = _density(rng, age, options.density_shares)
    equipment = EQUIPMENT[rng.integers(len(EQUIPMENT))]
    radius = float(np.clip(rng.lognormal(math.log(6.6), 0.13), 4.8, 8.2))
    woman = {
        "radius": radius,
        "depth": float(np.clip(radius * rng.normal(1.25, 0.12), 5.2, 11.0)),
        "stretch": float(rng.uniform(1.18, 1.30)),
        "thickness": float(np.clip(rng.normal(5.9, 1.2) * (radius / 6.6) ** 0.6, 3.2, 8.5)),
        "share": float(rng.uniform(*GLAND_SHARE[density])),
        "nipple": float(rng.uniform(0.25, 0.6)),
        "angle": math.radians(float(rng.normal(45, 4))),
    }
    field_cm = 24.0 if radius * woman["stretch"] < 9.0 else 30.0
    return Exam(
        study_id=identifier(options, "study", index),
        series_id=identifier(options, "series", index),
        test=index in exams_of_test(options),
        age=age,
        age_known=bool(rng.random() > 0.11),  # VinDr-Mammo: about 2,260 of 20,000 images have no age
        density=density,
        equipment=equipment,
        pixel_mm=10 * field_cm / options.height,
        breasts=tuple(_breast(options, index, side, woman, age, field_cm) for side in range(2)),
    )


def exams_of_test(options: PhantomOptions) -> frozenset[int]:
    """The exams of the test split: ``test_share`` of all, to the nearest exam."""
    order = _rng(options, _SPLIT, 0).permutation(options.exams)
    return frozenset(order[: round(options.test_share * options.exams)].tolist())


def _breast(options: PhantomOptions, index: int, side: int, woman: dict, age: int, field_cm: float) -> Breast:
    rng = _rng(options, _BREAST, index, side)
    anatomy = Anatomy(
        depth=woman["depth"] * float(rng.normal(1, 0.025)),
        radius=woman["radius"] * float(rng.normal(1, 0.02)),
        stretch=woman["stretch"],
        thickness=woman["thickness"],
        gland_share=woman["share"] * float(rng.uniform(0.92, 1.08)),
        nipple=woman["nipple"],
        seed=(options.seed, _GLAND, index, 1 + side),
        shared_seed=(options.seed, _GLAND, index, 0),
    )
    findings = lesions.draw(rng, anatomy, options, age)
    birads = max((f.birads for f in findings), default=2 if rng.random() < 0.12 else 1)
    views = tuple(_view(options, (index, side, v), anatomy, woman["angle"], field_cm) for v in range(2))
    return Breast(SIDES[side], anatomy, findings, birads, views)


def _view(
    options: PhantomOptions, which: tuple[int, int, int], anatomy: Anatomy, angle: float, field_cm: float
) -> View:
    rng = _rng(options, _VIEW, *which)
    mlo = which[2] == 1
    projection = Projection(
        view=VIEWS[which[2]],
        angle=angle + math.radians(float(rng.normal(0, 1.5))) if mlo else math.radians(float(rng.normal(0, 2))),
        stretch=anatomy.stretch,
        sag=float(rng.uniform(0.3, 1.6)) if mlo else float(rng.normal(0, 0.3)),
        depth=anatomy.depth,
        taper=float(rng.uniform(0.46, 0.60)),
        cut=0.0 if mlo else float(rng.uniform(0.0, 1.0)),
        row_of_axis=options.height * float(rng.uniform(0.54, 0.60) if mlo else rng.uniform(0.47, 0.53)),
        pixel=field_cm / options.height,
        height=options.height,
        width=options.width,
    )
    if mlo:
        top = projection.row_of_axis * projection.pixel
        depth = float(outline(anatomy, projection, np.float32(top))) * float(rng.uniform(0.60, 0.92))
        pectoral = (depth, top * float(rng.uniform(-0.20, 0.20)))
    else:
        pectoral = (float(rng.uniform(0.3, 1.0)) if rng.random() < 0.3 else 0.0, float(rng.uniform(-2, 2)))
    image_id = identifier(options, "image", *which)
    return View(image_id, projection, pectoral, seed=(options.seed, _VIEW, *which, 1))


def _density(rng: np.random.Generator, age: int, shares: tuple[float, ...]) -> str:
    """Class A to D: a normal score that falls with age (r about −0.3), cut so that the shares come out."""
    slope = 0.3
    score = -slope * (age - 52) / 10 + math.sqrt(1 - slope**2) * float(rng.standard_normal())
    quantile = NormalDist().cdf(score)
    return "ABCD"[min(int(np.searchsorted(np.cumsum(shares), quantile, side="right")), 3)]


def _rng(options: PhantomOptions, *stream: int) -> np.random.Generator:
    return np.random.default_rng((options.seed, *stream))
