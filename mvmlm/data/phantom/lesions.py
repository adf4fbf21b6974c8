"""What a breast holds: which findings, where, of which form, and how a reader would assess each.

The rates of forms, the sizes and the assessments are our defaults; where they come from the literature it is said.
"""

from __future__ import annotations

import numpy as np

from mvmlm.data.phantom.anatomy import Anatomy
from mvmlm.data.phantom.findings import ASYMMETRY, CALCIFICATION, DISTORTION, MASS, Finding
from mvmlm.data.phantom.options import SimulationOptions

#: Form of a mass: share, and probability of each BI-RADS category 3, 4, 5.
MASSES = {
    "round": (0.52, (0.84, 0.15, 0.01)),
    "indistinct": (0.18, (0.40, 0.50, 0.10)),
    "spiculated": (0.30, (0.06, 0.46, 0.48)),
}
#: Form of a cluster of calcifications: likewise.
CLUSTERS = {
    "punctate": (0.45, (0.80, 0.19, 0.01)),
    "pleomorphic": (0.35, (0.35, 0.52, 0.13)),
    "linear": (0.20, (0.12, 0.48, 0.40)),
}
OTHERS = {"asymmetry": (0.75, 0.24, 0.01), "distortion": (0.25, 0.60, 0.15)}

#: Shift of the log-odds that a finding is BI-RADS 4 or 5, per ten years of age: a mild effect.
AGE_EFFECT = 0.25


def draw(rng: np.random.Generator, anatomy: Anatomy, options: SimulationOptions, age: int) -> tuple[Finding, ...]:
    """The findings of one breast; their presence depends on nothing but the rates.

    Parameters
    ----------
    rng : Generator
    anatomy : Anatomy
    options : SimulationOptions
    age : int
        Years; shifts the assessment a little, never the presence.
    """
    present = rng.random(5) < (*(options.prevalence * rate for rate in options.lesion_rates), options.benign_rate)
    found: list[Finding] = []
    if present[0]:
        found += [_mass(rng, anatomy, age) for _ in range(1 + (rng.random() < 0.12))]
    if present[1]:
        host = found[0] if found and rng.random() < 0.3 else None
        if host is not None:  # calcifications inside the mass: one box with both names
            found[0] = _with_cluster(rng, host, age)
        else:
            found += [_cluster(rng, anatomy, age) for _ in range(1 + (rng.random() < 0.15))]
    if present[2]:
        found.append(_other(rng, anatomy, age, "asymmetry"))
    if present[3]:
        found.append(_other(rng, anatomy, age, "distortion"))
    if present[4]:
        found += [_coarse(rng, anatomy) for _ in range(rng.integers(1, 4))]
    return tuple(found)


def _mass(rng: np.random.Generator, anatomy: Anatomy, age: int) -> Finding:
    form = _choose(rng, MASSES)
    radius = float(np.clip(rng.lognormal(np.log(0.85), 0.28), 0.45, 1.7))
    axes = _turned(rng, radius * np.array([1.0, rng.uniform(0.8, 1.0), rng.uniform(0.65, 0.95)]))
    spicules = _rays(rng, radius, rng.integers(22, 36)) if form == "spiculated" else np.zeros((0, 3))
    return Finding(
        categories=(MASS,),
        centre=_place(rng, anatomy, radius),
        form=form,
        axes=axes,
        spicules=spicules,
        birads=_assess(rng, MASSES[form][1], age),
        birads_known=bool(rng.random() > 0.05),
    )


def _cluster(rng: np.random.Generator, anatomy: Anatomy, age: int) -> Finding:
    form = _choose(rng, CLUSTERS)
    centre = _place(rng, anatomy, 0.8)
    if form == "linear":  # along a duct: towards the nipple
        duct = np.array([anatomy.depth, 0.0, 0.0]) - centre
        duct = duct / np.linalg.norm(duct)
        axes = _along(rng, duct, np.array([rng.uniform(1.0, 1.9), 0.18, 0.18]))
    else:
        axes = _turned(rng, rng.uniform(0.45, 1.0) * np.array([1.0, rng.uniform(0.6, 1.0), rng.uniform(0.5, 1.0)]))
    return Finding(
        categories=(CALCIFICATION,),
        centre=centre,
        form=form,
        axes=axes,
        grains=_grains(rng, form, axes),
        birads=_assess(rng, CLUSTERS[form][1], age),
        birads_known=bool(rng.random() > 0.05),
    )


def _with_cluster(rng: np.random.Generator, mass: Finding, age: int) -> Finding:
    form = _choose(rng, {name: CLUSTERS[name] for name in ("punctate", "pleomorphic")})
    birads = max(mass.birads, _assess(rng, CLUSTERS[form][1], age))
    return Finding(
        categories=(MASS, CALCIFICATION),
        centre=mass.centre,
        form=mass.form,
        axes=mass.axes,
        spicules=mass.spicules,
        grains=_grains(rng, form, 0.7 * mass.axes),
        birads=birads,
        birads_known=mass.birads_known,
    )


def _other(rng: np.random.Generator, anatomy: Anatomy, age: int, form: str) -> Finding:
    radius = float(rng.uniform(0.9, 1.5))
    distortion = form == "distortion"
    return Finding(
        categories=(DISTORTION if distortion else ASYMMETRY,),
        centre=_place(rng, anatomy, radius),
        form=form,
        axes=_turned(rng, radius * np.array([1.0, 0.8, 0.7]) * (0.5 if distortion else 1.0)),
        spicules=_rays(rng, radius, rng.integers(26, 40)) if distortion else np.zeros((0, 3)),
        birads=_assess(rng, OTHERS[form], age),
        birads_known=bool(rng.random() > 0.05),
    )


def _coarse(rng: np.random.Generator, anatomy: Anatomy) -> Finding:
    radius = float(rng.uniform(0.07, 0.16))
    return Finding(
        categories=(),
        centre=_place(rng, anatomy, radius),
        form="coarse",
        axes=np.eye(3) * radius,
        grains=np.array([[0.0, 0.0, 0.0, radius]]),
        birads=2,
        boxed=False,
    )


def _grains(rng: np.random.Generator, form: str, axes: np.ndarray) -> np.ndarray:
    """Calcifications (m, 4) in the ellipsoid of ``axes``: places [cm], radii [cm]."""
    count = int(rng.integers(14, 34))
    scatter = np.clip(rng.standard_normal((count, 3)) * 0.5, -1, 1)
    median, spread = {"punctate": (0.027, 0.15), "pleomorphic": (0.028, 0.40), "linear": (0.029, 0.30)}[form]
    radii = np.clip(rng.lognormal(np.log(median), spread, count), 0.010, 0.07)
    return np.column_stack([scatter @ axes, radii])


def _place(rng: np.random.Generator, anatomy: Anatomy, radius: float) -> np.ndarray:
    """A point (3,) [cm] uniform in the inner 0.75 of the half-ellipsoid, ``radius`` away from the chest wall."""
    while True:
        point = rng.uniform((0, -1, -1), 1) * 0.75
        centre = point * (anatomy.depth, anatomy.radius, anatomy.radius)
        if np.linalg.norm(point) <= 0.75 and centre[0] >= 0.4 + 0.5 * radius:
            return centre


def _rays(rng: np.random.Generator, radius: float, count: int) -> np.ndarray:
    directions = rng.standard_normal((count, 3))
    lengths = radius * rng.uniform(1.4, 2.9, (count, 1))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * lengths


def _turned(rng: np.random.Generator, lengths: np.ndarray) -> np.ndarray:
    """Orthogonal semi-axes (3, 3) of these lengths in a random orientation."""
    return _along(rng, rng.standard_normal(3), lengths)


def _along(rng: np.random.Generator, direction: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Orthogonal semi-axes (3, 3) of these lengths, the first along ``direction``."""
    first = direction / np.linalg.norm(direction)
    second = np.cross(first, rng.standard_normal(3))
    second /= np.linalg.norm(second)
    return np.stack([first, second, np.cross(first, second)]) * lengths[:, None]


def _choose(rng: np.random.Generator, forms: dict) -> str:
    shares = np.array([forms[name][0] for name in forms])
    return str(rng.choice(list(forms), p=shares / shares.sum()))


def _assess(rng: np.random.Generator, probabilities: tuple[float, float, float], age: int) -> int:
    """A category 3 to 5, with the odds of 4 or 5 shifted by age."""
    suspicious = 1 - probabilities[0]
    odds = suspicious / (1 - suspicious) * np.exp(AGE_EFFECT * (age - 52) / 10)
    if rng.random() >= odds / (1 + odds):
        return 3
    return 5 if rng.random() < probabilities[2] / suspicious else 4
