"""Settings of the protocol ``risk``."""

from __future__ import annotations

from dataclasses import dataclass

from mvmlm.errors import ConfigError
from mvmlm.evaluation.logistic import ProbeOptions

MODELS = ("hazard", "cox")
#: How an exam's features come from those of its breasts; `exam_features.exam_features` has the rules.
FUSIONS = ("mean", "max", "mean_max", "mean_difference")
#: Which years of an exam train the additive-hazard layer; `targets.targets` has the rules.
MASKS = ("ipcw", "mirai")


@dataclass(frozen=True)
class RiskOptions(ProbeOptions):
    """Settings beside those of a probe (``strengths, folds, draws, interval, threads``). All defaults are ours.

    Attributes
    ----------
    model : str
        ``hazard``, the additive-hazard layer, or ``cox``.
    fuse : str
        One of `FUSIONS`.
    exclude_months : float
        Exams followed by a diagnosis within this time are left out, for there the cancer is found rather than
        foretold; so are exams followed for no longer [months].
    years : int
        Last year of the prediction, and ``tau`` of Uno's C [years].
    mask : str
        One of `MASKS`; ``hazard`` alone reads it.
    """

    model: str = "hazard"
    fuse: str = "mean"
    exclude_months: float = 6.0
    years: int = 5
    mask: str = "ipcw"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (("model", MODELS), ("fuse", FUSIONS), ("mask", MASKS)):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r}: it must be one of {', '.join(known)}")
        if not 1 <= self.years <= 30:
            raise ConfigError(f"years is {self.years}: it must be from 1 to 30")
        if not 0 <= self.exclude_months < 12 * self.years:
            raise ConfigError(
                f"exclude_months is {self.exclude_months:g}: it must be at least 0 and less than the {self.years} "
                "years of the prediction"
            )
