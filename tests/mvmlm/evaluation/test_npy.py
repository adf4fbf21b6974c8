"""NumPy files, read fast."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mvmlm.errors import DataError
from mvmlm.evaluation.npy import read_array

NAMES = st.text("abcauc@_09", min_size=1, max_size=12)
FIELDS = st.lists(st.tuples(NAMES, arrays.scalar_dtypes()), min_size=1, max_size=30, unique_by=lambda field: field[0])
KINDS = arrays.scalar_dtypes() | FIELDS.map(np.dtype)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(arrays.arrays(KINDS, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)))
def test_it_reads_what_numpy_writes(tmp_path, array):
    for form in (array, np.asfortranarray(array)):
        np.save(tmp_path / "a.npy", form)
        found, wanted = read_array(tmp_path / "a.npy"), np.load(tmp_path / "a.npy")
        assert found.dtype == wanted.dtype and found.shape == wanted.shape
        assert found.tobytes() == wanted.tobytes()


def test_what_is_not_whole_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(100.0))
    whole = (tmp_path / "a.npy").read_bytes()
    for content in (whole[:-1], whole + b"\0", whole[:20], whole[:7], b"", b"a text"):
        (tmp_path / "b.npy").write_bytes(content)
        with pytest.raises(DataError, match=r"b\.npy cannot be read .*evaluate this cell again"):
            read_array(tmp_path / "b.npy")


def test_objects_are_not_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(DataError, match="holds Python objects"):
        read_array(tmp_path / "a.npy")
