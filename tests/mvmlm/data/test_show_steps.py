"""The picture of the steps: made of simulated mammograms, and of any files that are named."""

from __future__ import annotations

import cv2
import numpy as np

from mvmlm.data import show_steps
from mvmlm.data.pixels import read_image
from tests.real_images import REAL, needs_real_images


def test_the_picture_in_the_docs_is_made_of_simulated_mammograms(tmp_path, capsys):
    show_steps.main(["--out", str(tmp_path / "steps.png")])
    picture = cv2.imread(str(tmp_path / "steps.png"))
    assert picture.shape[0] > 600 and picture.shape[1] > 1200
    assert capsys.readouterr().out.strip().endswith("steps.png")


@needs_real_images
def test_each_step_of_a_real_mammogram(tmp_path):
    path = REAL / "cdd_cesm" / "images" / "P94_R_DM_MLO.jpg"
    stored, shown, found, cropped, turned, padded = show_steps.steps(read_image(path))
    assert stored.shape == shown.shape and (stored.min(), stored.max()) == (0, 1)
    assert found.shape == (*shown.shape, 3)
    assert cropped.shape[1] < shown.shape[1]
    np.testing.assert_array_equal(turned, cropped[:, ::-1])
    assert padded.shape == (1520, 912) and padded[:, :100].mean() > padded[:, -100:].mean()
    show_steps.main([str(path), "--out", str(tmp_path / "real.png")])
    assert (tmp_path / "real.png").stat().st_size > 10_000
