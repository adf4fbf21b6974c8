"""Geometry, texture and lesions of the phantom against brute force."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.phantom.anatomy import GLAND_GRID, Projection, gland_volume, project_gland
from mvmlm.data.phantom.findings import Finding, body_path, grain_path
from mvmlm.data.phantom.records import simulate_exam
from mvmlm.data.phantom.render import render_breast
from mvmlm.data.phantom.texture import power_law_noise

OPTIONS = PhantomOptions(exams=40, height=320, width=256)


def projection(view: str = "CC", angle: float = 0.0, **changes) -> Projection:
    base = Projection(view, angle, 1.25, 0.0, 8.0, 0.5, 0.0, 160.0, 0.05, 320, 256)
    return replace(base, **changes)


def spectral_exponent(image: np.ndarray, low: float, high: float) -> float:
    """β of a 1/f^β fit to the radially averaged power spectrum between two frequencies [cycles a cell]."""
    power = np.abs(np.fft.fft2(image - image.mean())) ** 2
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in image.shape), indexing="ij"))
    edges = np.geomspace(low, high, 12)
    frequency, mean = [], []
    for a, b in pairwise(edges):
        ring = (radius >= a) & (radius < b)
        if ring.any():
            frequency.append(radius[ring].mean())
            mean.append(power[ring].mean())
    return -np.polyfit(np.log(frequency), np.log(mean), 1)[0]


class TestTexture:
    @pytest.mark.parametrize("exponent", [2.0, 3.0])
    def test_spectrum_falls_with_the_exponent_asked_for(self, exponent):
        noise = power_law_noise(np.random.default_rng(1), (256, 192), exponent)
        assert spectral_exponent(noise, 0.02, 0.4) == pytest.approx(exponent, abs=0.15)
        assert noise.std() == pytest.approx(1, abs=1e-3)

    def test_is_flat_below_its_corner(self):
        noise = power_law_noise(np.random.default_rng(2), (256, 256), 3.0, corner=0.1)
        assert spectral_exponent(noise, 0.01, 0.04) < 0.6
        assert spectral_exponent(noise, 0.25, 0.48) > 2.2

    def test_projection_of_the_volume_keeps_the_exponent(self):
        volume = power_law_noise(np.random.default_rng(3), (64, 64, 64))
        assert spectral_exponent(volume.sum(axis=2), 0.03, 0.4) == pytest.approx(3.0, abs=0.35)

    def test_rendered_gland_has_a_mammogram_s_spectrum(self):
        slopes = []
        for index in range(8):
            breast = simulate_exam(replace(OPTIONS, density_shares=(0, 0, 0, 1)), index).breasts[0]
            picture = render_breast(replace(breast, findings=()))[0].picture
            rows = np.flatnonzero(~np.isnan(picture).all(axis=1))
            middle = (rows[0] + rows[-1]) // 2
            patch = picture[middle - 32 : middle + 32, 8:72]
            if np.isnan(patch).any():
                continue  # a small breast
            patch = (patch - patch.mean()) * np.outer(np.hanning(64), np.hanning(64))
            slopes.append(spectral_exponent(patch, 0.06, 0.4))
        assert len(slopes) >= 5
        assert 2.3 < np.mean(slopes) < 3.7


class TestProjection:
    @settings(max_examples=60, deadline=None)
    @given(
        st.tuples(*(st.floats(-5, 5) for _ in range(3))),
        st.floats(0, math.pi / 2),
        st.floats(-1, 2),
        st.floats(0, 1),
    )
    def test_depth_of_a_point_is_the_same_in_every_view(self, point, angle, sag, cut):
        view = projection("MLO", angle, sag=sag, cut=cut)
        x, y = view.pixels(np.array([point]))[0]
        assert x * view.pixel + cut == pytest.approx(point[0], abs=1e-9)
        w = point[1] * math.cos(angle) + point[2] * math.sin(angle)
        up = (view.row_of_axis - y) * view.pixel
        assert up + sag * (point[0] / view.depth) ** 2 == pytest.approx(w * view.stretch, abs=1e-9)

    def test_grids_invert_pixels(self):
        view = projection("MLO", 0.8, sag=1.0)
        d, w = view.grids()
        point = np.array([[4.0, 1.0, 2.0]])
        x, y = view.pixels(point)[0]
        row, column = int(y), int(x)
        assert d[0, column] == pytest.approx(4.0, abs=view.pixel)
        expected = (1.0 * math.cos(0.8) + 2.0 * math.sin(0.8)) * view.stretch
        assert w[row, column] == pytest.approx(expected, abs=2 * view.pixel)

    def test_gland_seen_from_above_is_the_mean_along_the_line_of_sight(self):
        anatomy = simulate_exam(OPTIONS, 0).breasts[0].anatomy
        volume = gland_volume(anatomy)
        n_d, n_u, n_v = GLAND_GRID
        d = (np.arange(n_d) + 0.5) / n_d
        u = (np.arange(n_u) + 0.5) / n_u * 2 - 1
        v = (np.arange(n_v) + 0.5) / n_v * 2 - 1
        inside = d[:, None, None] ** 2 + u[None, :, None] ** 2 + v[None, None, :] ** 2 <= 1
        expected = (volume * inside).sum(axis=2) / np.maximum(inside.sum(axis=2), 1)
        np.testing.assert_allclose(project_gland(volume, 0.0), expected, atol=1e-4)
        side = (volume * inside).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
        np.testing.assert_allclose(project_gland(volume, math.pi / 2), side, atol=1e-3)

    def test_gland_fills_about_the_share_of_its_class(self):
        shares = {}
        for index in range(30):
            exam = simulate_exam(OPTIONS, index)
            volume = gland_volume(exam.breasts[0].anatomy)
            shares.setdefault(exam.density, []).append(volume.sum() / (np.prod(GLAND_GRID) * math.pi / 6))
        means = [np.mean(shares[letter]) for letter in sorted(shares)]
        assert len(means) >= 3
        assert means == sorted(means)

    def test_breasts_of_one_woman_are_more_alike_than_those_of_two(self):
        pairs, strangers = [], []
        volumes = [[gland_volume(b.anatomy) for b in simulate_exam(OPTIONS, i).breasts] for i in range(8)]
        for index, (left, right) in enumerate(volumes):
            pairs.append(np.corrcoef(left.ravel(), right.ravel())[0, 1])
            strangers.append(np.corrcoef(left.ravel(), volumes[index - 1][1].ravel())[0, 1])
        assert np.mean(pairs) > np.mean(strangers) + 0.1


def ball(form: str = "round", **changes) -> Finding:
    finding = Finding(("Mass",), np.array([4.0, 0.5, -0.5]), form, np.eye(3), 3)
    return replace(finding, **changes)


class TestShadows:
    def test_body_is_the_chord_of_its_ellipsoid(self):
        """Against marching along each line of sight; a softened rim and a wavy contour are what may differ."""
        rng = np.random.default_rng(5)
        turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
        finding = ball(axes=turn * np.array([1.3, 0.9, 0.6])[:, None])
        view = projection("MLO", 0.7)
        shadow = np.zeros((view.height, view.width))
        for rows, columns, path in body_path(finding, view, shadow.shape):
            shadow[rows, columns] += path
        marched = self.march(finding, view)
        assert shadow.sum() == pytest.approx(marched.sum(), rel=0.10)
        assert np.corrcoef(shadow.ravel(), marched.ravel())[0, 1] > 0.98
        assert shadow.max() == pytest.approx(marched.max(), rel=0.05)

    @staticmethod
    def march(finding: Finding, view: Projection) -> np.ndarray:
        x0, y0 = view.pixels(finding.centre[None])[0]
        x = (np.arange(view.width) + 0.5 - x0) * view.pixel
        y = (y0 - np.arange(view.height) - 0.5) * view.pixel
        to_unit = np.linalg.inv(finding.axes.T)
        total = np.zeros((view.height, view.width))
        cos, sin = math.cos(view.angle), math.sin(view.angle)
        for z in np.arange(-1.5, 1.5, 0.02):
            w, depth = np.meshgrid(y, x, indexing="ij")
            u, v = w * cos - z * sin, w * sin + z * cos
            unit = np.stack([depth, u, v], axis=-1) @ to_unit.T
            total += ((unit**2).sum(axis=-1) <= 1) * 0.02
        return total

    @pytest.mark.parametrize("pixel", [0.02, 0.05, 0.1])
    def test_calcifications_keep_their_volume_at_any_resolution(self, pixel):
        grains = np.array([[0.0, 0.0, 0.0, 0.03], [0.3, 0.2, 0.1, 0.015], [-0.4, 0.1, 0.0, 0.05]])
        finding = ball("punctate", grains=grains)
        view = projection(pixel=pixel, height=round(16 / pixel), width=round(10 / pixel), row_of_axis=8 / pixel)
        shadow = np.zeros((view.height, view.width))
        for rows, columns, path in grain_path(finding, view, shadow.shape):
            shadow[rows, columns] += path
        expected = (4 / 3 * math.pi * grains[:, 3] ** 3).sum()
        assert shadow.sum() * pixel**2 == pytest.approx(expected, rel=0.08)

    def test_a_mass_shows_at_the_same_depth_in_both_views(self):
        checked = 0
        for index in range(40):
            for breast in simulate_exam(OPTIONS, index).breasts:
                mass = next((f for f in breast.findings if f.form in ("round", "indistinct")), None)
                if mass is None:
                    continue
                bare = replace(breast, findings=())
                only = replace(breast, findings=(replace(mass, grains=np.zeros((0, 4))),))
                depths = []
                for view, with_it, without in zip(breast.views, render_breast(only, 2.0), render_breast(bare, 2.0)):
                    difference = np.nan_to_num(with_it.picture - without.picture)
                    if not with_it.boxes or mass.centre[0] - view.projection.cut < 1.2:
                        continue
                    _, (x0, y0, x1, y1) = with_it.boxes[0]
                    rows, columns = np.indices(difference.shape) + 0.5
                    weight = np.maximum(difference, 0) / np.maximum(difference, 0).sum()
                    x, y = (weight * columns).sum(), (weight * rows).sum()
                    assert x0 < x < x1 and y0 < y < y1
                    depths.append(x * view.projection.pixel + view.projection.cut)
                if len(depths) == 2:
                    assert depths[0] == pytest.approx(depths[1], abs=0.35)
                    checked += 1
        assert checked >= 8
