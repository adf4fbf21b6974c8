"""Files that lie, and files that are damaged: each comes out as one line, soon, and within a stated memory.

One child process reads all the hostile files, headers and images, and its peak memory is compared with what it needs
for good ones.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import uid

from mvmlm.data.header import Header, read_header
from mvmlm.data.pixels import read_image
from mvmlm.data.safe_dicom import MOST_BYTES, open_dataset
from mvmlm.errors import DataError
from tests.mvmlm.data.dicom_files import ENCODERS, code, element, exact_window, lut, make, part10
from tests.mvmlm.data.hostile_files import DEFLATED, HOSTILE, J2K, MIB, NOISE, PIXELS, claims, native

#: What all hostile files together may add to the peak memory of a process. Measured: 57 MiB, most of it for the 150 000
#: elements that are parsed before they are too many.
MOST_GROWTH = 128 * MIB
SOON = 10.0  # seconds for any one file, on a slow and busy machine


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> dict[str, Path]:
    """All hostile files, written once."""
    folder = tmp_path_factory.mktemp("hostile")
    paths = {name: folder / f"{name.replace(' ', '_')}.dcm" for name in HOSTILE}
    for name, path in paths.items():
        path.write_bytes(HOSTILE[name][0]())
    return paths


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_one_line(hostile, name):
    begin = time.monotonic()
    with pytest.raises(DataError) as caught:
        read_image(hostile[name])
    said = str(caught.value)
    assert said.startswith(f"{hostile[name]}: ")
    assert HOSTILE[name][1] in said
    assert "\n" not in said
    assert len(said) < len(str(hostile[name])) + 250
    assert time.monotonic() - begin < SOON


@pytest.mark.parametrize("depth", range(0, 40, 3))
def test_sequences_in_each_other_are_said_so_wherever_the_stack_ends(hostile, depth):
    """pydicom turns what it meets in the middle of an item into an error of the file."""
    path = hostile["20 000 sequences in each other"]

    def read_below(frames: int) -> None:
        if frames:
            read_below(frames - 1)
        else:
            read_image(path)

    with pytest.raises(DataError, match="has more sequences in each other than can be read"):
        read_below(depth)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_header_of_a_hostile_file_is_read_or_refused(hostile, name):
    begin = time.monotonic()
    try:
        assert isinstance(read_header(hostile[name]), Header)
    except DataError as error:
        assert str(error).startswith(f"{hostile[name]}: ")
        assert "\n" not in str(error)
    assert time.monotonic() - begin < SOON


CHILD = """
import sys
from pathlib import Path

from mvmlm.data.header import Header, read_header
from mvmlm.data.pixels import read_image
from mvmlm.errors import DataError


def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024


good, *hostile = map(Path, sys.argv[1:])
for path in good.iterdir():
    read_header(path), read_image(path)
before = peak()
for path in hostile:
    for read in (read_header, read_image):
        try:
            read(path)
        except DataError:
            pass
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")
def test_hostile_files_take_little_memory(hostile, tmp_path):
    for syntax in (uid.DeflatedExplicitVRLittleEndian, uid.RLELossless, *ENCODERS):
        eight = syntax == uid.JPEGBaseline8Bit
        made = make(
            tmp_path, (NOISE >> 4).astype(np.uint8) if eight else NOISE, syntax, bits=8 if eight else 12
        )
        made.rename(tmp_path / f"{uid.UID(syntax).keyword}.dcm")
    command = [sys.executable, "-W", "ignore", "-c", CHILD, str(tmp_path), *map(str, hostile.values())]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout) < MOST_GROWTH


def test_a_private_value_of_a_gibibyte_is_passed_over(tmp_path):
    """As tomosynthesis volumes of one maker have them; the file is sparse."""
    path = tmp_path / "private.dcm"
    before, after = (
        claims() + element(0x00290010, b"UN", b"", length=1024 * MIB),
        element(0x00620001, b"US", b"\1\0"),
    )
    head = part10(before)
    with path.open("wb") as file:
        file.write(head)
        file.seek(len(head) + 1024 * MIB)
        file.write(element(0x00540220, b"SQ", b"") + after)
    begin = time.monotonic()
    found = open_dataset(path, pixels=False)
    assert time.monotonic() - begin < 1
    assert found.Rows == 10
    assert 0x00620001 in found
    assert 0x00290010 not in found


def test_of_a_file_of_any_size_the_header_is_read_and_pixels_up_to_a_limit(tmp_path):
    path = tmp_path / "large.dcm"
    path.write_bytes(part10(claims() + native(PIXELS)))
    os.truncate(path, MOST_BYTES + 1)
    assert read_header(path).rows == 10
    with pytest.raises(DataError, match="has 1024 MiB, more than any mammogram"):
        read_image(path)


@pytest.mark.parametrize(
    "read", [read_header, lambda path: open_dataset(path, pixels=True)], ids=["header", "pixels"]
)
def test_a_pipe_or_a_folder_is_no_file(tmp_path, read):
    """A pipe would be waited for."""
    os.mkfifo(tmp_path / "pipe.dcm")
    for path in (tmp_path / "pipe.dcm", tmp_path, Path("/dev/zero")):
        with pytest.raises(DataError, match="is no file"):
            read(path)


GOOD = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    DEFLATED,
    uid.RLELossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    J2K,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> list[bytes]:
    """Good files, with much in their headers that can go wrong."""
    header = exact_window(12) | {
        "ImageLaterality": "L",
        "ViewCodeSequence": [code("399162004", ViewModifierCodeSequence=[code("399163009")])],
        "VOILUTSequence": lut(np.arange(64), 0, 12),
        "PixelPaddingValue": 0,
        "PatientAge": "045Y",
        "PixelSpacing": [0.1, 0.1],
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
        "SeriesDescription": "L CC",
    }
    folder = tmp_path_factory.mktemp("good")
    return [make(folder, NOISE, syntax, bits=12, **header).read_bytes() for syntax in GOOD]


def one_line_or_nothing(path: Path) -> None:
    """Read a file in every way: only a `DataError` of one line may come out."""
    for read in (read_header, read_image, lambda p: read_image(p, target=(16, 12))):
        try:
            read(path)
        except DataError as error:
            assert "\n" not in str(error)


places = st.floats(0, 1, exclude_max=True)
edits = st.lists(
    st.one_of(
        st.tuples(
            st.just("set"), places, st.sampled_from([0, 1, 4, 127, 128, 254, 255]) | st.integers(0, 255)
        ),
        st.tuples(st.just("drop"), places, st.integers(1, 100)),
        st.tuples(st.just("repeat"), places, st.integers(1, 100)),
        st.tuples(st.just("cut"), places, st.just(0)),
    ),
    min_size=1,
    max_size=6,
)
fuzzing = settings(
    max_examples=150,
    deadline=SOON * 1000,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def edited(content: bytes, changes: list[tuple[str, float, int]]) -> bytes:
    found = bytearray(content)
    for what, place, number in changes:
        at = int(place * len(found))
        if what == "set" and found:
            found[at] = number
        elif what == "drop":
            del found[at : at + number]
        elif what == "repeat":
            found[at:at] = found[at : at + number]
        elif what == "cut":
            del found[at:]
    return bytes(found)


@pytest.mark.timeout(60)
@fuzzing
@given(which=st.integers(0, len(GOOD) - 1), changes=edits)
def test_a_damaged_file_is_read_or_refused_in_one_line(good, tmp_path, which, changes):
    path = tmp_path / "damaged.dcm"
    path.write_bytes(edited(good[which], changes))
    one_line_or_nothing(path)


@pytest.mark.timeout(60)
@fuzzing
@given(which=st.integers(0, len(GOOD) - 1), place=places, number=st.integers(0, 255))
def test_a_header_with_one_wrong_byte_is_read_or_refused_in_one_line(good, tmp_path, which, place, number):
    """The first 1000 bytes hold the file meta group and most of the header."""
    content = bytearray(good[which])
    content[132 + int(place * (min(len(content), 1000) - 132))] = number
    path = tmp_path / "damaged.dcm"
    path.write_bytes(content)
    one_line_or_nothing(path)


@pytest.mark.timeout(60)
@fuzzing
@given(
    content=st.binary(max_size=400),
    begin=st.sampled_from([b"", b"\0" * 128 + b"DICM", part10(b""), part10(claims())]),
)
def test_random_bytes_are_read_or_refused_in_one_line(tmp_path, content, begin):
    path = tmp_path / "random.dcm"
    path.write_bytes(begin + content)
    one_line_or_nothing(path)
