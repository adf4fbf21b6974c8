"""The resolved ablation of an invocation, read back from its MLflow run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def read_spec(path: Path) -> dict[str, Any]:
    """The resolved ablation.

    Raises
    ------
    ValueError, yaml.YAMLError
        When the file was cut short. What was cut at the end of a line is YAML still, and lacks what was written last.
    """
    said = yaml.safe_load(path.read_text())
    if not isinstance(said, dict) or "dataset" not in said:
        raise ValueError("it ends before its last line")
    return said
