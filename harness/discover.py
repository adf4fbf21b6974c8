"""Where ablations and profiles are found: those that ship, and any file by its path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import Problem, SpecError
from harness.yaml_source import load_yaml
from mvmlm.registry import did_you_mean

SHIPPED = Path(__file__).resolve().parents[1] / "ablations"


@dataclass(frozen=True)
class Shipped:
    """An ablation that ships, and what it asks."""

    name: str
    question: str
    path: Path


def shipped() -> list[Shipped]:
    """All ablations under ``ablations/``."""
    found = []
    for path in sorted(SHIPPED.glob("*.yaml")):
        data = load_yaml(path).data
        found.append(
            Shipped(path.stem, str(data.get("question", "")) if isinstance(data, dict) else "", path)
        )
    return found


def find_ablation(said: str) -> Path:
    """The file that a path or a shipped name means.

    Raises
    ------
    SpecError
        When there is none.
    """
    path = Path(said)
    if path.is_file():
        return path
    named = SHIPPED / f"{path.stem}.yaml"
    if named.is_file() and path.parent in (Path("."), Path("ablations")):
        return named
    names = sorted(p.stem for p in SHIPPED.glob("*.yaml"))
    what = f"no such ablation file{did_you_mean(path.stem, names)} (shipped: {', '.join(names)})"
    raise SpecError([Problem(said, 1, 1, "", what)])


def find_profile(name: str, ablation: Path) -> Path:
    """The file of a profile: beside the ablation, else the shipped one.

    Raises
    ------
    SpecError
        When there is none.
    """
    for folder in (ablation.parent / "profiles", SHIPPED / "profiles"):
        if (folder / f"{name}.yaml").is_file():
            return folder / f"{name}.yaml"
    names = profile_names(ablation)
    what = f"no such profile{did_you_mean(name, names)} (known: {', '.join(names)})"
    raise SpecError([Problem("--profile", 1, 1, name, what)])


def profile_names(ablation: Path) -> list[str]:
    """Profiles that an ablation can be run at."""
    return sorted({p.stem for f in (ablation.parent, SHIPPED) for p in (f / "profiles").glob("*.yaml")})
