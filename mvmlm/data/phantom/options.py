"""What can be set about the simulated exams."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from mvmlm.errors import ConfigError

#: Raised whenever the same options give other files than before.
GENERATOR_VERSION = 1


@dataclass(frozen=True)
class PhantomOptions:
    """Options of the simulated data set. All rates are our defaults, enriched over screening on purpose.

    Attributes
    ----------
    exams : int
        Number of exams [studies]; each is one woman with four views.
    seed : int
        Everything random follows from it.
    height, width : int
        Size of the written images [pixels]. The detector's field is 30 or 24 cm high, whichever the breast
        needs, so the pixel spacing is 300 / height or 240 / height [mm].
    bits : int
        Bits stored of the 16 allocated, 10 to 16.
    test_share : float
        Share of the exams in the ``test`` split, exact to the nearest exam.
    mass_rate, calcification_rate : float
        Share of breasts with a mass, with a cluster of suspicious calcifications; independent of each other,
        of age, density, side and equipment.
    asymmetry_rate, distortion_rate : float
        Share of breasts with a focal asymmetry, with an architectural distortion.
    benign_rate : float
        Share of breasts with coarse benign calcifications, which are no finding (BI-RADS 2).
    mass_contrast, calcification_contrast : float
        Factors on what masses (and spicules), and what calcifications, add to the attenuation; 1 is the physical
        value. Ours are higher, so that a tiny network learns from a few hundred breasts.
    density_shares : tuple of 4 floats
        Shares of the density classes A to D over all women; they sum to 1. VinDr-Mammo has
        (0.005, 0.095, 0.765, 0.135); our default is less extreme.

    Raises
    ------
    ConfigError
        If a value is out of its range.
    """

    exams: int = 200
    seed: int = 0
    height: int = 640
    width: int = 512
    bits: int = 12
    test_share: float = 0.2
    mass_rate: float = 0.30
    calcification_rate: float = 0.25
    asymmetry_rate: float = 0.05
    distortion_rate: float = 0.04
    benign_rate: float = 0.15
    mass_contrast: float = 2.0
    calcification_contrast: float = 4.0
    density_shares: tuple[float, ...] = (0.08, 0.27, 0.45, 0.20)

    def __post_init__(self) -> None:
        object.__setattr__(self, "density_shares", tuple(float(share) for share in self.density_shares))
        _whole("exams", self.exams, 1, 1_000_000)
        _whole("seed", self.seed, 0, 2**63 - 1)
        _whole("height", self.height, 64, 8192)
        _whole("width", self.width, 48, 8192)
        _whole("bits", self.bits, 10, 16)
        if not 0.7 <= self.width / self.height <= 1.0:
            raise ConfigError(
                f"phantom option width: {self.width} x {self.height} pixels (width x height) is no "
                f"mammography detector; take a width of 0.7 to 1.0 times the height"
            )
        for name in ("test_share", "mass_rate", "calcification_rate", "asymmetry_rate", "distortion_rate",
                     "benign_rate"):  # fmt: skip
            _within(name, getattr(self, name), 0.0, 1.0)
        for name in ("mass_contrast", "calcification_contrast"):
            _within(name, getattr(self, name), 0.0, 10.0)
        if len(self.density_shares) != 4 or min(self.density_shares) < 0 or abs(sum(self.density_shares) - 1) > 1e-6:
            raise ConfigError(
                f"phantom option density_shares: {list(self.density_shares)} are not four shares, A to D, "
                f"that sum to 1"
            )

    def fingerprint(self) -> str:
        """SHA-256 over the options and the generator's version: what decides every byte written."""
        content = json.dumps({"generator": GENERATOR_VERSION, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"phantom option {name}: {value!r} is not a whole number from {low} to {high}")


def _within(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"phantom option {name}: {value!r} is not a number from {low:g} to {high:g}")
