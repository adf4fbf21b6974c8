"""What sharing stages saves: a grid in which every cell does all its work, against ours. One ratio line.

Each cell of the plain way is its own run in an empty home; the seconds that Ray and the imports need are left out
on both sides, by adding up the stages' own seconds from their cards.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from harness.store import Store

GRID = ["--set", "seeds=[0]", "--set", "method.tokens=8", "--set", "data.options.exams=40", "--set", "train.epochs=3"]
POINTS = [(task, fraction) for task in ("mass", "calcification", "malignancy") for fraction in (0.5, 1.0)]


def stage_seconds(home: Path, *more: str) -> float:
    """Run the token-count ablation small, and add up the seconds of its stages."""
    command = [sys.executable, "-m", "harness", "run", "token_count", "--home", str(home), *GRID, *more]
    subprocess.run(command, check=True, capture_output=True, cwd=home.parent)
    return sum(card.seconds for card in Store(home / "store").cards())


def main() -> None:
    """Print the line."""
    with tempfile.TemporaryDirectory() as folder:
        shared = stage_seconds(Path(folder) / "shared")
        apart = sum(
            stage_seconds(Path(folder) / f"{task}-{fraction}", *point(task, fraction)) for task, fraction in POINTS
        )
    print(
        f"dedupe: {len(POINTS)} cells on one pretraining: {apart:.1f} s of stages apart, {shared:.1f} s shared, "
        f"ratio {apart / shared:.2f}"
    )


def point(task: str, fraction: float) -> list[str]:
    """Overrides that leave one cell."""
    return ["--set", f"tasks=[{task}]", "--set", f"eval.fraction={fraction}"]


if __name__ == "__main__":
    main()
