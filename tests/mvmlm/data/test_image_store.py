"""The image store: the same bytes whatever the workers, and bad files set aside by name."""

from __future__ import annotations

import cv2
import numpy as np
import pandas as pd
import pytest

from mvmlm.data.build_store import build_image_store
from mvmlm.data.exam_table import validate
from mvmlm.data.image_store import ImageStore, stored_breasts
from mvmlm.errors import DataError
from tests.mvmlm.data.test_dicom import a_file
from tests.mvmlm.data.test_preprocess import a_breast

SIZE = {"height": 48, "width": 32}


def write_image(path, right, strength=1.0):
    values = a_breast(120, 96, 60, 44, right=right)[0] * strength
    if path.suffix == ".dcm":
        pixels = np.round(4095 * values).astype(np.uint16)
        a_file(pixels, ImageLaterality="R" if right else "L").save_as(path, enforce_file_format=True)
    else:
        cv2.imwrite(str(path), np.round(65535 * values).astype(np.uint16))


@pytest.fixture
def exams(tmp_path):
    """Twenty images, DICOM and PNG by turns, and their table."""
    rows = []
    for i in range(20):
        side, name = "LR"[i % 2], f"image{i:02}.{'dcm' if i % 4 < 2 else 'png'}"
        write_image(tmp_path / name, side == "R", 0.5 + i / 50)
        rows.append(
            {
                "dataset": "set",
                "patient_id": f"p{i // 2}",
                "exam_id": f"p{i // 2}",
                "breast_id": f"p{i // 2}_{side}",
                "image_id": f"i{i}",
                "laterality": side,
                "view": "CC",
                "path": name,
            }
        )
    return validate(pd.DataFrame(rows))


def test_two_workers_write_what_one_writes(exams, tmp_path):
    told = []
    one = build_image_store(exams, tmp_path, tmp_path / "one", **SIZE)
    two = build_image_store(
        exams, tmp_path, tmp_path / "two", **SIZE, workers=2, progress=lambda *done: told.append(done)
    )
    assert one == two
    assert told == [(i, 20) for i in range(1, 21)]
    for name in ("pixels.npy", "index.parquet", "store.json", "bad_files.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_what_is_read_is_what_the_images_show(exams, tmp_path):
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE)
    assert (summary["images"], summary["set_aside"], summary["flipped_against_tag"]) == (20, 0, 0)
    store = ImageStore.open(tmp_path / "store")
    assert len(store) == 20
    assert store.image_size == (48, 32)
    pd.testing.assert_frame_equal(store.exams[list(exams.columns)], exams)
    images = store.read([3, 0, 3])
    assert images.shape == (3, 1, 48, 32)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images[0], images[2])
    np.testing.assert_allclose(images[1, 0], store.pixels[0] / 65535.0, atol=1e-6)
    assert 0.5 < store.read([19]).max() <= 1
    assert images[:, :, 20:28, :5].min() > 0.05, "the chest wall is at the left"
    assert not images[:, :, 0, -1].any()


def test_bad_files_are_set_aside_with_their_reasons(exams, tmp_path):
    (tmp_path / "image00.dcm").write_bytes((tmp_path / "image00.dcm").read_bytes()[:2000])
    (tmp_path / "image02.png").unlink()
    (tmp_path / "image03.png").write_bytes(b"no picture")
    write_image(tmp_path / "image04.dcm", right=True)
    cv2.imwrite(str(tmp_path / "image06.png"), np.zeros((120, 96), np.uint8))
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, max_bad_share=0.25, workers=2)
    assert (summary["images"], summary["set_aside"]) == (15, 5)
    said = pd.read_csv(tmp_path / "store" / "bad_files.csv", index_col="path")["reason"]
    assert "truncated" in said["image00.dcm"]
    assert said["image02.png"] == "no such file or directory"
    assert "cannot be decoded" in said["image03.png"]
    assert said["image04.dcm"] == "laterality tag R, table says L"
    assert "no breast found" in said["image06.png"]
    store = ImageStore.open(tmp_path / "store")
    assert len(store) == 15
    assert not set(said.index) & set(store.exams["path"])
    build_image_store(store.exams[list(exams.columns)], tmp_path, tmp_path / "good", **SIZE)
    assert (tmp_path / "good" / "pixels.npy").read_bytes() == (tmp_path / "store" / "pixels.npy").read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
def test_too_many_bad_files_stop_the_work(exams, tmp_path, workers):
    for name in ("image02.png", "image03.png"):
        (tmp_path / name).unlink()
    with pytest.raises(DataError, match=r"2 of the first 4 images \(of 20\).*max_bad_share=0.05.*image02\.png: no"):
        build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, max_bad_share=0.05, workers=workers)


def test_an_image_whose_chest_wall_contradicts_the_table_is_counted(exams, tmp_path):
    write_image(tmp_path / "image02.png", right=True)
    assert build_image_store(exams, tmp_path, tmp_path / "store", **SIZE)["flipped_against_tag"] == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_is_no_bad_image(exams, tmp_path, workers):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "pixels.npy").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, workers=workers)


@pytest.mark.parametrize("change", [-1, -4000, 2])
def test_pixels_of_another_length_than_the_index_says_are_refused(exams, tmp_path, change):
    build_image_store(exams, tmp_path, tmp_path / "store", **SIZE)
    path = tmp_path / "store" / "pixels.npy"
    path.write_bytes(path.read_bytes()[:change] if change < 0 else path.read_bytes() + b"\0" * change)
    with pytest.raises(DataError, match=r"no whole image store \(pixels\.npy has -?\d+ bytes of pixels where"):
        ImageStore.open(tmp_path / "store")


@pytest.mark.parametrize("name", ["pixels.npy", "index.parquet", "store.json"])
def test_a_store_that_lacks_a_file_is_refused(exams, tmp_path, name):
    build_image_store(exams, tmp_path, tmp_path / "store", **SIZE)
    (tmp_path / "store" / name).unlink()
    with pytest.raises(DataError, match="no whole image store"):
        ImageStore.open(tmp_path / "store")


def test_a_damaged_file_costs_the_breast_its_view_and_not_its_label(exams, tmp_path):
    exams = exams.assign(mass=[i % 3 == 0 for i in range(len(exams))], split="train")
    (tmp_path / exams["path"][3]).write_bytes(b"damaged")
    build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, max_bad_share=0.1)
    breasts, store = stored_breasts(tmp_path / "store"), ImageStore.open(tmp_path / "store")
    lost = exams["breast_id"][3]
    assert len(breasts) == 20 and breasts.loc[lost, "cc"] == -1 and breasts.loc[lost, "mass"]
    there = breasts[breasts["cc"] >= 0]
    assert store.exams["breast_id"].iloc[there["cc"]].tolist() == there.index.tolist()


def test_a_view_tag_that_contradicts_the_table_is_refused(exams, tmp_path):
    turned = a_file(np.full((120, 96), 2000, np.uint16), ImageLaterality="L", ViewPosition="MLO")
    turned.save_as(tmp_path / exams["path"][0], enforce_file_format=True)
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, max_bad_share=0.1)
    assert summary["set_aside_examples"] == [f"{exams['path'][0]}: view tag MLO, table says CC"]


def test_images_without_a_window_and_dim_ones_are_counted(exams, tmp_path):
    values = a_breast(120, 96, 60, 44)[0]
    cv2.imwrite(str(tmp_path / exams["path"][2]), np.round(4095 * values).astype(np.uint16))  # 12 bits in a file of 16
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE)
    assert (summary["without_window"], summary["dim"]) == (10, 1)
    summary = build_image_store(exams, tmp_path, tmp_path / "stretched", **SIZE, intensity="percentile")
    assert (summary["without_window"], summary["dim"]) == (0, 0)


def test_a_view_that_is_no_standard_one_is_kept_apart_and_counts_as_no_fault(exams, tmp_path):
    from tests.mvmlm.data.dicom_files import dataset, save

    pixels = np.round(4095 * a_breast(120, 96, 60, 44)[0]).astype(np.uint16)
    spot = dataset(pixels, bits=12, SeriesDescription="L CC SPOT")
    save(spot, tmp_path, exams["path"][0])
    volume = dataset(pixels, bits=12, NumberOfFrames=2, PixelData=pixels.tobytes() * 2)
    save(volume, tmp_path, exams["path"][4])
    summary = build_image_store(exams, tmp_path, tmp_path / "store", **SIZE, max_bad_share=0.0)
    assert (summary["images"], summary["set_aside"], summary["bad"]) == (18, 2, 0)
    reasons = pd.read_csv(tmp_path / "store" / "bad_files.csv")["reason"].tolist()
    assert reasons[0] == "is a spot view, which is kept apart" and reasons[1].startswith("has 2 frames")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".pgm"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pictures_are_read_at_their_own_depth(tmp_path, suffix, dtype):
    from mvmlm.data.pixels import read_image

    pixels = np.linspace(0, np.iinfo(dtype).max, 1200).reshape(40, 30).astype(dtype)
    cv2.imwrite(str(tmp_path / f"a{suffix}"), pixels)
    image = read_image(tmp_path / f"a{suffix}")
    assert image.stored.dtype == dtype
    np.testing.assert_allclose(image.values, pixels / np.iinfo(dtype).max, atol=1e-6)
