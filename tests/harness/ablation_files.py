"""Small ablation files for tests of reading, expanding and planning; no data and no training."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.expand import Expansion, expand_file

GOOD = """\
question: Does it matter?
axes:
  method.tokens: [8, 16]
seeds: [0]
tasks: [mass]
table:
  rows: [method.tokens]
"""

Expand = Callable[..., Expansion]


def expander(folder: Path) -> Expand:
    """Writes a text as ``folder/a.yaml`` and expands it."""

    def expand(text: str, **how) -> Expansion:
        path = folder / "a.yaml"
        path.write_text(textwrap.dedent(text))
        return expand_file(str(path), **how)

    return expand


def problems(folder: Path, text: str, **how) -> list[str]:
    """What is wrong with a text, a line each, without the folder."""
    with pytest.raises(SpecError) as caught:
        expander(folder)(text, **how)
    return str(caught.value).replace(f"{folder}/", "").split("\n")


#: What a planned ablation starts from in tests that train nothing.
BASE = {
    "data": {"name": "phantom", "options": {"exams": 24}},
    "images": {"height": 64, "width": 48},
    "method": {"name": "mvmlm", "encoder": "test_resnet", "width": 16, "depth": 1, "heads": 2, "tokens": 4},
    "train": {"epochs": 2, "batch_size": 8},
}
STAGES_IN_ORDER = ("dataset", "images", "reports", "text", "pretrain", "features", "evaluate")
BELOW_REPORTS = STAGES_IN_ORDER[2:]
