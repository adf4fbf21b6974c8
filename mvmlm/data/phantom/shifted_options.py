"""Options of the simulated sets in RSNA's and EMBED's layouts.

Their defaults shift the domain away from the phantom in VinDr-Mammo's layout: other machines, noise, contrast,
densities and rates. ``docs/phantom.md`` has the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from mvmlm.data.phantom.options import LATER, SimulationOptions, within


@dataclass(frozen=True)
class PhantomRsnaOptions(SimulationOptions):
    """RSNA's layout: one exam a woman. The first half of ``vendors`` stands in site 1, the rest in site 2."""

    exams: int = 300
    density_shares: tuple[float, ...] = (0.10, 0.38, 0.42, 0.10)
    vendors: str | tuple[str, ...] = ("A", "D", "C", "E")
    noise: float = 1.3
    contrast: float = 0.85
    prevalence: float = 0.6

    layout: ClassVar[str] = "rsna"
    people: ClassVar[tuple[int, ...]] = (101,)


@dataclass(frozen=True)
class PhantomEmbedOptions(SimulationOptions):
    """EMBED's layout: several exams a woman. The first of ``vendors`` takes 92 % of the exams, the second 6 %.

    Attributes
    ----------
    exams_per_patient : float
        Mean number of screening exams that a woman comes to within reach of ``follow_up_years``. A recall adds a
        diagnostic exam, a cancer ends them.
    follow_up_years : float
        Longest time from a woman's first exam to her last, biopsies included.
    cancer_odds : float
        Factor on the odds that a finding is a cancer.
    doubling_days : float
        Median volume doubling time of cancers. Ours is at the slow end of the 80 to 188 days by age of Peer et al.,
        «Age-dependent growth rate of primary breast cancer», Cancer 71(11), 1993; the slower, the longer before it is
        found a cancer can be seen.
    """

    exams: int = 400
    density_shares: tuple[float, ...] = (0.10, 0.42, 0.41, 0.07)
    vendors: str | tuple[str, ...] = ("E", "B", "D")
    noise: float = 0.8
    contrast: float = 1.15
    prevalence: float = 0.5
    exams_per_patient: float = 3.0
    follow_up_years: float = 6.0
    cancer_odds: float = field(default=1.0, metadata=LATER)
    doubling_days: float = field(default=200.0, metadata=LATER)

    layout: ClassVar[str] = "embed"
    people: ClassVar[tuple[int, ...]] = (102,)

    def __post_init__(self) -> None:
        super().__post_init__()
        within("exams_per_patient", self.exams_per_patient, 1.0, 20.0)
        within("follow_up_years", self.follow_up_years, 1.0, 20.0)
        within("cancer_odds", self.cancer_odds, 0.0, 1000.0)
        within("doubling_days", self.doubling_days, 30.0, 3000.0)
