"""Random changes of images: what moves where, by how much, and what never changes."""

from __future__ import annotations

import math
import sys
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data import augment as module
from mvmlm.data.augment import CHANCES, ERASED_AREA, Augmentation, chances

NONE = Augmentation.none()
ALL = Augmentation(
    flip=0.5,
    vertical_flip=0.5,
    affine=0.7,
    rotate=25,
    shift=0.1,
    scale=0.2,
    shear=15,
    crop=0.3,
    intensity=0.3,
    gamma=0.4,
    erase=0.5,
)
KORNIA = ("kornia", "kornia.geometry.conversions", "kornia.geometry.transform", "kornia.enhance")


def noise(breasts: int, height: int = 20, width: int = 14, seed: int = 0) -> torch.Tensor:
    """Images (breasts, 2, 1, height, width) without black."""
    return torch.rand(breasts, 2, 1, height, width, generator=torch.Generator().manual_seed(seed)) * 0.9 + 0.1


def drawn(count: int = 1, **said: float) -> np.ndarray:
    """What one view of each of ``count`` breasts draws: the middle of everything, but for what is said."""
    values = np.full((len(CHANCES), count, 1), 0.5)
    for name, value in said.items():
        values[CHANCES.index(name)] = value
    return values


def spot(x: float, y: float, height: int = 120, width: int = 80) -> torch.Tensor:
    """A bright spot, as one image."""
    down, right = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return torch.exp(-((right - x) ** 2 + (down - y) ** 2) / 18.0)[None, None, None]


def centre(image: torch.Tensor) -> tuple[float, float]:
    """Centre of mass, x and y [pixels]."""
    down, right = torch.meshgrid(*map(torch.arange, image.shape[-2:]), indexing="ij")
    return float((image * right).sum() / image.sum()), float((image * down).sum() / image.sum())


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Pixel by pixel; black comes in."""
    height, width = image.shape
    moved = np.zeros_like(image)
    for y in range(height):
        for x in range(width):
            if 0 <= y - down < height and 0 <= x - right < width:
                moved[y, x] = image[y - down, x - right]
    return moved


def test_nothing_asked_is_nothing_done(monkeypatch):
    for name in KORNIA:
        monkeypatch.setitem(sys.modules, name, None)
    images = noise(3)
    assert torch.equal(NONE(images, chances(3, seed=0, epoch=1)), images)


def test_the_default_needs_no_kornia(monkeypatch):
    for name in KORNIA:
        monkeypatch.setitem(sys.modules, name, None)
    assert not torch.equal(Augmentation()(noise(3), chances(3, seed=0, epoch=1)), noise(3))


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(2, 12),
    width=st.integers(2, 12),
    shift=st.sampled_from([0.1, 0.34, 0.49]),
    seed=st.integers(0, 2**16),
)
def test_a_shift_alone_moves_whole_pixels_within_its_bounds(height, width, shift, seed):
    images = noise(1, height, width, seed)
    changed = replace(NONE, shift=shift)(images, chances(1, seed=seed, epoch=1))
    most_down, most_right = int(shift * height), int(shift * width)
    for image, got in zip(
        images.reshape(2, height, width).numpy(), changed.reshape(2, height, width).numpy()
    ):
        candidates = [
            shifted(image, down, right)
            for down in range(-most_down, most_down + 1)
            for right in range(-most_right, most_right + 1)
        ]
        assert any(np.array_equal(got, c) for c in candidates)


def test_every_shift_occurs_and_the_views_of_a_breast_are_shifted_apart():
    images = torch.zeros(200, 2, 1, 8, 4)
    images[..., 4, 2] = 1.0
    changed = replace(NONE, shift=0.25)(images, chances(200, seed=0, epoch=1))
    places = changed.flatten(2).argmax(dim=2)
    assert {(int(p) // 4, int(p) % 4) for p in places.flatten()} == {
        (y, x) for y in range(2, 7) for x in range(1, 4)
    }
    assert (places[:, 0] != places[:, 1]).float().mean() > 0.8


@pytest.mark.parametrize("resampling", [0.0, 1e-9])
@pytest.mark.parametrize(("flip", "vertical_flip", "axes"), [(1, 0, [-1]), (0, 1, [-2]), (1, 1, [-2, -1])])
def test_a_flip_is_the_mirror_image(flip, vertical_flip, axes, resampling):
    images = noise(2)
    augmentation = replace(NONE, flip=flip, vertical_flip=vertical_flip, rotate=resampling)
    changed = augmentation(images, chances(2, seed=0, epoch=1))
    torch.testing.assert_close(changed, images.flip(axes), atol=0.0 if not resampling else 1e-4, rtol=0)


@pytest.mark.parametrize("name", ["flip", "vertical_flip", "erase", "affine"])
def test_shares_are_kept(name):
    images = noise(1000, 8, 6)
    augmentation = replace(NONE, shift=0.4 if name == "affine" else 0.0, **{name: 0.3})
    changed = augmentation(images, chances(1000, seed=2, epoch=1))
    share = (changed != images).flatten(2).any(dim=2).float().mean()
    still = 1 / 7 / 5 if name == "affine" else 0.0  # a shift by nothing is one of the shifts
    assert share == pytest.approx(0.3 * (1 - still), abs=0.03)


MOVES = {
    "shift right": (dict(shift=0.1, rotate=1e-9), dict(right=0.9), lambda x, y: (x + 0.8 * 0.1 * 80, y)),
    "shift up": (dict(shift=0.1, rotate=1e-9), dict(down=0.25), lambda x, y: (x, y - 0.5 * 0.1 * 120)),
    "clockwise": (
        dict(rotate=40.0),
        dict(rotate=0.75),
        lambda x, y: (
            x * math.cos(math.radians(20)) - y * math.sin(math.radians(20)),
            x * math.sin(math.radians(20)) + y * math.cos(math.radians(20)),
        ),
    ),
    "scale": (dict(scale=0.4), dict(scale=0.75), lambda x, y: (1.2 * x, 1.2 * y)),
    "shear x": (dict(shear=20.0), dict(shear_x=0.75), lambda x, y: (x - math.tan(math.radians(10)) * y, y)),
    "shear y": (dict(shear=20.0), dict(shear_y=0.75), lambda x, y: (x, y - math.tan(math.radians(10)) * x)),
    "crop, middle": (dict(crop=0.4), dict(crop=0.5), lambda x, y: (x / 0.8, y / 0.8)),
    "crop, right": (
        dict(crop=0.4),
        dict(crop=0.5, crop_right=1.0),
        lambda x, y: ((x - 0.1 * 79) / 0.8, y / 0.8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVES)
def test_a_spot_goes_where_it_must(name):
    """Positions from the middle of an image that is not square; y points down."""
    asked, said, expected = MOVES[name]
    changed = replace(NONE, **asked)(spot(39.5 + 11, 59.5 - 17), drawn(**said))
    x, y = expected(11.0, -17.0)
    assert centre(changed) == pytest.approx((39.5 + x, 59.5 + y), abs=0.02)


def test_all_moves_together_are_one_resampling_as_opencv_makes_it():
    height, width = 90, 64
    image = cv2.GaussianBlur(np.random.default_rng(0).random((height, width), np.float32), (0, 0), 4)
    turn, shear_x, shear_y = math.radians(10), math.tan(math.radians(6)), math.tan(math.radians(-3))
    to_middle = np.array([[1, 0, -(width - 1) / 2], [0, 1, -(height - 1) / 2], [0, 0, 1]])
    place = np.diag([-1 / 0.8, 1 / 0.8, 1]) @ [
        [1, 0, -0.05 * (width - 1)],
        [0, 1, 0.1 * (height - 1)],
        [0, 0, 1],
    ]
    shear = np.array([[1, 0, 0], [-shear_y, 1, 0], [0, 0, 1]]) @ [[1, -shear_x, 0], [0, 1, 0], [0, 0, 1]]
    rotate = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    move = np.array([[1, 0, 0.06 * width], [0, 1, -0.05 * height], [0, 0, 1]])
    matrix = np.linalg.inv(to_middle) @ move @ rotate @ np.diag([1.1, 1.1, 1]) @ shear @ place @ to_middle
    expected = cv2.warpAffine(image, matrix[:2], (width, height), flags=cv2.INTER_LINEAR)
    augmentation = replace(NONE, flip=1.0, rotate=20, shift=0.1, scale=0.2, shear=12, crop=0.2)
    turned = dict(rotate=0.75, right=0.8, down=0.25, scale=0.75, shear_x=0.75, shear_y=0.375)
    chance = drawn(**turned, crop=1.0, crop_right=0.75, crop_down=0.0)
    changed = augmentation(torch.from_numpy(image)[None, None, None], chance)[0, 0, 0].numpy()
    inside = cv2.erode((expected > 0).astype(np.uint8), np.ones((5, 5))) > 0
    assert inside.mean() > 0.6
    np.testing.assert_allclose(changed[inside], expected[inside], atol=2e-3)


def test_what_comes_in_is_air():
    changed = replace(NONE, scale=0.5)(torch.ones(1, 1, 1, 40, 40), drawn(scale=0.0))[0, 0, 0]
    assert (changed[:8] == 0).all() and (changed[:, -8:] == 0).all()
    assert (changed[15:25, 15:25] > 0.999).all()


def test_the_gain_is_one_factor_an_image_within_its_bounds():
    images = noise(30) * 0.8
    ratio = (replace(NONE, intensity=0.2)(images, chances(30, seed=0, epoch=1)) / images).flatten(0, 1)
    gain = ratio.flatten(1).mean(dim=1)
    torch.testing.assert_close(ratio, gain[:, None, None, None].expand_as(ratio), rtol=1e-5, atol=0)
    assert 0.8 - 1e-6 <= gain.min() < 0.82
    assert 1.18 < gain.max() <= 1.2 + 1e-6


def test_gamma_is_one_exponent_an_image_between_its_bounds():
    images = noise(30) * 0.9
    changed = replace(NONE, gamma=0.5)(images, chances(30, seed=0, epoch=1))
    exponent = (changed.log() / images.log()).flatten(0, 1).flatten(1)
    torch.testing.assert_close(
        exponent, exponent.mean(dim=1, keepdim=True).expand_as(exponent), rtol=1e-3, atol=0
    )
    assert 1 / 1.5 - 1e-3 <= exponent.min() < 0.7
    assert 1.43 < exponent.max() <= 1.5 + 1e-3


def test_what_is_erased_is_a_rectangle_of_the_stated_size():
    images = noise(60, 100, 60)
    changed = replace(NONE, erase=1.0)(images, chances(60, seed=0, epoch=1)).reshape(-1, 100, 60)
    areas, places = [], []
    for black in changed == 0:
        rows, columns = black.any(dim=1).nonzero().flatten(), black.any(dim=0).nonzero().flatten()
        assert black[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        areas.append(black.float().mean().item())
        places.append(rows[0].item())
    least, most = ERASED_AREA
    assert least * 0.9 < min(areas) < 0.03
    assert 0.09 < max(areas) < most * 1.1
    assert min(places) < 5 and max(places) > 65


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    values=st.lists(st.sampled_from([0.0, 0.3]), min_size=11, max_size=11),
    size=st.tuples(st.integers(2, 30), st.integers(2, 30)),
)
def test_values_stay_in_the_unit_interval_missing_views_black_and_the_source_untouched(seed, values, size):
    augmentation = Augmentation(**dict(zip((f.name for f in fields(Augmentation)), values)))
    images = torch.ones(4, 2, 1, *size)
    images[1, 0] = images[2, 1] = 0.0
    before = images.clone()
    changed = augmentation(images, chances(4, seed=seed, epoch=1))
    assert changed.shape == images.shape and changed.dtype == torch.float32
    assert changed.min() >= 0.0 and changed.max() <= 1.0
    assert not changed[1, 0].any() and not changed[2, 1].any()
    assert torch.equal(images, before)


@pytest.mark.parametrize("augmentation", [Augmentation(), ALL])
def test_a_breast_is_changed_alike_in_whatever_batch_it_stands(augmentation, monkeypatch):
    """So the number of ranks, the batch size and the memory at hand change nothing."""
    images, chance = noise(7), chances(7, seed=3, epoch=2)
    whole = augmentation(images, chance)
    monkeypatch.setattr(module, "PIXELS_AT_ONCE", 3 * 20 * 14)
    for rows in ([6, 0, 3], [2], [5, 4, 1, 2]):
        assert torch.equal(augmentation(images[rows], chance[:, rows]), whole[rows])


def test_seed_and_epoch_alone_decide():
    one = chances(5, seed=3, epoch=1)
    assert np.array_equal(one, chances(5, seed=3, epoch=1))
    assert not np.array_equal(one, chances(5, seed=4, epoch=1))
    assert not np.array_equal(one, chances(5, seed=3, epoch=2))
    assert one.shape == (len(CHANCES), 5, 2)
    assert len(np.unique(one)) == one.size, "CC and MLO draw by themselves, and each change by itself"


def test_order_and_augmentation_are_drawn_independently():
    """NumPy seeds [s, e] and [s, e, 0] are one and the same stream."""
    order = np.random.default_rng([3, 1, 0]).random(50)
    assert not np.isin(chances(5, seed=3, epoch=1), order).any()


def test_the_random_states_of_torch_and_numpy_are_left_alone():
    torch.manual_seed(1)
    np.random.seed(1)
    before, other = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    ALL(noise(2, seed=5), chances(2, seed=0, epoch=1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_cpu_and_gpu_change_images_alike():
    images, chance = noise(4, 60, 40), chances(4, seed=0, epoch=1)
    torch.testing.assert_close(ALL(images.cuda(), chance).cpu(), ALL(images, chance), atol=1e-3, rtol=0)
