"""Where real mammograms may lie beside this repository; tests that read them are skipped where they do not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REAL = Path(os.environ.get("MVMLM_REAL_IMAGES", Path(__file__).resolve().parents[2] / "shared" / "real"))
needs_real_images = pytest.mark.skipif(
    not (REAL / "labels.csv").is_file(),
    reason=f"no real mammograms at {REAL}; set MVMLM_REAL_IMAGES to their folder",
)
