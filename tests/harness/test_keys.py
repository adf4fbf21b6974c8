"""Content keys: what moves them, and that old ones never move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.keys import canonical, content_key, folder_digest

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def key(**changes) -> str:
    said = {"stage": "text", "version": 1, "config": {"a": 1, "b": [1, 2]}, "inputs": {"reports": "r"}}
    return content_key(**{**said, **changes})


@given(st.dictionaries(st.text(max_size=5), plain, max_size=5))
def test_the_order_of_settings_does_not_matter(config):
    turned = dict(reversed(list(config.items())))
    assert key(config=config) == key(config=turned)


@pytest.mark.parametrize(
    "change",
    [{"stage": "images"}, {"version": 2}, {"config": {"a": 2, "b": [1, 2]}}, {"inputs": {"reports": "s"}}],
)
def test_everything_that_a_stage_reads_moves_its_key(change):
    assert key(**change) != key()


def test_keys_of_earlier_versions_stay_readable():
    assert key() == "4b707e3f7dee7a0822f3"


def test_what_json_cannot_say_is_refused():
    with pytest.raises(ValueError):
        canonical({"x": float("nan")})
    with pytest.raises(TypeError):
        canonical({"x": {1, 2}})


def test_a_model_folder_is_known_by_its_bytes(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    before = folder_digest(tmp_path)
    assert before == folder_digest(tmp_path)
    (tmp_path / "config.json").write_text("{ }")
    assert folder_digest(tmp_path) != before
