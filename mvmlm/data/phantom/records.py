"""Who is examined, what her breasts hold, and what a reader says of it. Decides everything but the pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mvmlm.data.phantom import lesions
from mvmlm.data.phantom.anatomy import GLAND_SHARE, Anatomy
from mvmlm.data.phantom.equipment import EQUIPMENT, Equipment
from mvmlm.data.phantom.findings import Finding
from mvmlm.data.phantom.options import PhantomOptions, SimulationOptions
from mvmlm.data.phantom.streams import BREAST, GLAND, MACHINE, SPLIT, WOMAN, identifier, stream
from mvmlm.data.phantom.views import STANDARD, View, take_view

SIDES = ("L", "R")


@dataclass(frozen=True)
class Breast:
    """One side: its anatomy, its findings, its assessment (1 to 5), its views."""

    laterality: str
    anatomy: Anatomy
    findings: tuple[Finding, ...]
    birads: int
    views: tuple[View, ...]


@dataclass(frozen=True)
class Exam:
    """One woman's visit. ``age`` in years, ``age_known`` whether the file says it."""

    study_id: str
    series_id: str
    test: bool
    age: int
    age_known: bool
    density: str
    equipment: Equipment
    pixel_mm: float
    breasts: tuple[Breast, ...]


@dataclass(frozen=True)
class Woman:
    """What does not change from side to side, nor from exam to exam; lengths in cm, ``angle`` of the MLO in radians."""

    index: int
    age: int
    age_known: bool
    density: str
    equipment: Equipment
    radius: float
    depth: float
    stretch: float
    thickness: float
    share: float
    nipple: float
    angle: float

    @property
    def field_cm(self) -> float:
        """Height of the detector that she needs [cm]."""
        return 24.0 if self.radius * self.stretch < 9.0 else 30.0


def simulate_exam(options: SimulationOptions, index: int) -> Exam:
    """Exam number ``index``; every exam has its own random numbers, so the number of workers changes nothing.

    Parameters
    ----------
    options : SimulationOptions
    index : int
        0 to ``options.exams - 1``.
    """
    woman = draw_woman(options, index)
    breasts = []
    for side in range(2):
        anatomy, findings, birads = draw_breast(options, woman, side)
        views = [
            take_view(options, woman, side, anatomy, v, 1 + 2 * side + n) for n, v in enumerate(STANDARD)
        ]
        breasts.append(Breast(SIDES[side], anatomy, findings, birads, tuple(views)))
    return Exam(
        study_id=identifier(options, "study", index),
        series_id=identifier(options, "series", index),
        test=index in exams_of_test(options),
        age=woman.age,
        age_known=woman.age_known,
        density=woman.density,
        equipment=woman.equipment,
        pixel_mm=10 * woman.field_cm / options.height,
        breasts=tuple(breasts),
    )


def exams_of_test(options: SimulationOptions) -> frozenset[int]:
    """The exams of the test split: ``test_share`` of all, to the nearest exam."""
    order = stream(options, SPLIT, 0).permutation(options.exams)
    return frozenset(order[: round(options.test_share * options.exams)].tolist())


def draw_woman(options: SimulationOptions, index: int) -> Woman:
    """Woman number ``index``."""
    rng = stream(options, WOMAN, index)
    age = int(np.clip(round(rng.normal(52, 10)), 32, 86))
    density = _density(rng, age, options.density_shares)
    equipment = _machine(options, index, int(rng.integers(3)))
    radius = float(np.clip(rng.lognormal(math.log(6.6), 0.13), 4.8, 8.2))
    return Woman(
        index=index,
        age=age,
        density=density,
        equipment=equipment,
        radius=radius,
        depth=float(np.clip(radius * rng.normal(1.25, 0.12), 5.2, 11.0)),
        stretch=float(rng.uniform(1.18, 1.30)),
        thickness=float(np.clip(rng.normal(5.9, 1.2) * (radius / 6.6) ** 0.6, 3.2, 8.5)),
        share=float(rng.uniform(*GLAND_SHARE[density])),
        nipple=float(rng.uniform(0.25, 0.6)),
        angle=math.radians(float(rng.normal(45, 4))),
        age_known=bool(rng.random() > 0.11),  # VinDr-Mammo: about 2,260 of 20,000 images have no age
    )


def draw_breast(
    options: SimulationOptions, woman: Woman, side: int
) -> tuple[Anatomy, tuple[Finding, ...], int]:
    """Anatomy, findings and BI-RADS assessment (1 to 5) of a woman's left (0) or right (1) breast."""
    rng = stream(options, BREAST, woman.index, side)
    root = (options.seed, *options.people, GLAND, woman.index)
    anatomy = Anatomy(
        depth=woman.depth * float(rng.normal(1, 0.025)),
        radius=woman.radius * float(rng.normal(1, 0.02)),
        stretch=woman.stretch,
        thickness=woman.thickness,
        gland_share=woman.share * float(rng.uniform(0.92, 1.08)),
        nipple=woman.nipple,
        seed=(*root, 1 + side),
        shared_seed=(*root, 0),
    )
    findings = lesions.draw(rng, anatomy, options, woman.age)
    birads = max((f.birads for f in findings), default=2 if rng.random() < 0.12 else 1)
    return anatomy, findings, birads


def _machine(options: SimulationOptions, index: int, drawn: int) -> Equipment:
    """The machine ``drawn`` of the first set's three; any other choice has random numbers of its own."""
    if options.vendors == PhantomOptions.vendors:
        return EQUIPMENT[options.vendors[drawn]]
    return EQUIPMENT[str(stream(options, MACHINE, index).choice(options.vendors))]


def _density(rng: np.random.Generator, age: int, shares: tuple[float, ...]) -> str:
    """Class A to D: a normal score that falls with age (r about −0.3), cut so that the shares come out."""
    slope = 0.3
    score = -slope * (age - 52) / 10 + math.sqrt(1 - slope**2) * float(rng.standard_normal())
    quantile = NormalDist().cdf(score)
    return "ABCD"[min(int(np.searchsorted(np.cumsum(shares), quantile, side="right")), 3)]
