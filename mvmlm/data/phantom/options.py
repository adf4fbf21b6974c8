"""What can be set about the simulated exams, whatever the layout; and in VinDr-Mammo's."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from mvmlm.data.phantom.equipment import EQUIPMENT
from mvmlm.errors import ConfigError

#: Raised whenever the same options give other files than before.
GENERATOR_VERSION = 1

#: Options that came after the first results: left out of a fingerprint at the value that the others imply.
LATER = {"later": True}


@dataclass(frozen=True)
class SimulationOptions:
    """What every simulated data set can be told. All rates are our defaults, enriched over screening on purpose.

    Attributes
    ----------
    exams : int
        Number of exams [studies].
    seed : int
        Everything random follows from it. No two layouts share a woman, whatever their seeds.
    height, width : int
        Size of the written images [pixels]. The detector's field is 30 or 24 cm high, whichever the breast
        needs, so the pixel spacing is 300 / height or 240 / height [mm].
    bits : int
        Bits stored of the 16 allocated, 10 to 16.
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
    vendors : str or tuple of str
        Letters of the machines in use, A to E: ``"A,C"`` or ``("A", "C")``.
    noise : float
        Factor on the quantum noise.
    contrast : float
        Factor on the brightness of everything denser than fat.
    prevalence : float
        Factor on the four rates of lesions (not on benign_rate).

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
    mass_rate: float = 0.30
    calcification_rate: float = 0.25
    asymmetry_rate: float = 0.05
    distortion_rate: float = 0.04
    benign_rate: float = 0.15
    mass_contrast: float = 2.0
    calcification_contrast: float = 4.0
    density_shares: tuple[float, ...] = (0.08, 0.27, 0.45, 0.20)
    vendors: str | tuple[str, ...] = field(default=("A", "B", "C"), metadata=LATER)
    noise: float = field(default=1.0, metadata=LATER)
    contrast: float = field(default=1.0, metadata=LATER)
    prevalence: float = field(default=1.0, metadata=LATER)

    #: Whose published layout is written.
    layout: ClassVar[str]
    #: Before every stream of random numbers, so that no two layouts share a woman.
    people: ClassVar[tuple[int, ...]] = ()
    test_share: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "density_shares", tuple(float(share) for share in self.density_shares))
        object.__setattr__(self, "vendors", _letters(self.vendors))
        whole("exams", self.exams, 1, 1_000_000)
        whole("seed", self.seed, 0, 2**63 - 1)
        whole("height", self.height, 64, 8192)
        whole("width", self.width, 48, 8192)
        whole("bits", self.bits, 10, 16)
        if not 0.7 <= self.width / self.height <= 1.0:
            raise ConfigError(
                f"phantom option width: {self.width} x {self.height} pixels (width x height) is no "
                f"mammography detector; take a width of 0.7 to 1.0 times the height"
            )
        for name in ("test_share", "mass_rate", "calcification_rate", "asymmetry_rate", "distortion_rate",
                     "benign_rate"):  # fmt: skip
            within(name, getattr(self, name), 0.0, 1.0)
        for name in ("mass_contrast", "calcification_contrast", "noise", "contrast", "prevalence"):
            within(name, getattr(self, name), 0.0, 10.0)
        if self.prevalence * max(self.lesion_rates) > 1:
            raise ConfigError(
                f"phantom option prevalence: {self.prevalence:g} times a rate of {max(self.lesion_rates):g} is above 1"
            )
        if (
            len(self.density_shares) != 4
            or min(self.density_shares) < 0
            or abs(sum(self.density_shares) - 1) > 1e-6
        ):
            raise ConfigError(
                f"phantom option density_shares: {list(self.density_shares)} are not four shares, A to D, "
                f"that sum to 1"
            )

    @property
    def lesion_rates(self) -> tuple[float, float, float, float]:
        """Of masses, calcifications, asymmetries and distortions, before `prevalence`."""
        return self.mass_rate, self.calcification_rate, self.asymmetry_rate, self.distortion_rate

    def fingerprint(self) -> str:
        """SHA-256 over the options and the generator's version: what decides every byte written."""
        said = {"generator": GENERATOR_VERSION, **asdict(self)}
        for one in fields(self):
            if one.metadata.get("later") and getattr(self, one.name) == one.default:
                del said[one.name]
        return hashlib.sha256(json.dumps(said | self._layout_said(), sort_keys=True).encode()).hexdigest()

    def _layout_said(self) -> dict[str, Any]:
        return {"layout": self.layout}


@dataclass(frozen=True)
class PhantomOptions(SimulationOptions):
    """VinDr-Mammo's layout: one exam a woman, four views.

    Attributes
    ----------
    test_share : float
        Share of the exams in the ``test`` split, exact to the nearest exam.
    """

    test_share: float = 0.2

    layout: ClassVar[str] = "vindr"

    def _layout_said(self) -> dict[str, Any]:
        return {}  # the first layout: its fingerprints are older than the others


def _letters(vendors: Any) -> tuple[str, ...]:
    """Of machines, in the order given."""
    named = vendors.split(",") if isinstance(vendors, str) else vendors
    letters = tuple(str(letter).strip() for letter in named) if isinstance(named, list | tuple) else ()
    if not letters or len(set(letters)) < len(letters) or not set(letters) <= set(EQUIPMENT):
        raise ConfigError(
            f"phantom option vendors: {vendors!r} is no choice of machines; name some of {', '.join(EQUIPMENT)}, "
            "each once"
        )
    return letters


def whole(name: str, value: object, low: int, high: int) -> None:
    """Raise unless it is a whole number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"phantom option {name}: {value!r} is not a whole number from {low} to {high}")


def within(name: str, value: object, low: float, high: float) -> None:
    """Raise unless it is a number from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"phantom option {name}: {value!r} is not a number from {low:g} to {high:g}")
