"""YAML that knows where everything stands, and files that are no YAML."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.yaml_source import load_yaml, parse_yaml

TEXT = """\
# a comment
base:
  train: {lr: 0.1, epochs: 3}
axes:
  method.tokens: [8, 16,
    32]
  size:
    - {label: small, images.height: 64}
    - label: big
      images.height: 128
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("base",), (2, 1)),
        (("base", "train"), (3, 3)),
        (("base", "train", "epochs"), (3, 20)),
        (("axes", "method.tokens"), (5, 3)),
        (("axes", "method.tokens", 0), (5, 19)),
        (("axes", "method.tokens", 2), (6, 5)),
        (("axes", "size", 0, "images.height"), (8, 22)),
        (("axes", "size", 1), (9, 7)),
        (("axes", "size", 1, "images.height"), (10, 7)),
    ],
)
def test_keys_and_list_items_are_where_they_stand(path, place):
    assert parse_yaml(TEXT, "a.yaml").place(path) == place


def test_what_is_not_in_the_file_is_reported_at_the_nearest_thing_above():
    source = parse_yaml(TEXT, "a.yaml")
    assert source.place(("base", "train", "momentum", 3)) == (3, 3)
    assert source.place(("tasks",)) == (2, 1)


plain = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text("abc 1:#é", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", min_size=1), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text("xyz", min_size=1), plain, min_size=1, max_size=4), st.booleans())
def test_reads_what_yaml_reads_and_each_place_holds_its_key(data, flow):
    text = yaml.safe_dump(data, default_flow_style=flow, allow_unicode=True)
    source = parse_yaml(text, "a.yaml")
    assert source.data == data
    lines = text.split("\n")
    for path, (line, column) in source.places.items():
        if path and isinstance(path[-1], str):
            assert lines[line - 1][column - 1 :].lstrip("? '\"").startswith(path[-1])


def said(text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        parse_yaml(text, "a.yaml")
    return str(caught.value).split("\n")


def test_every_key_that_is_there_twice_is_named_with_its_first_place():
    assert said("a: 1\nb: {x: 1, x: 2}\na: 3\n") == [
        "a.yaml:2:11: x: is there twice (first in line 2)",
        "a.yaml:3:1: a: is there twice (first in line 1)",
    ]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a: [1, 2\nb: 3\n", "a.yaml:2:2: is no YAML: "),
        ("a: 'never closed\n", "a.yaml:2:1: is no YAML: "),
        ("\ta: 1\n", "a.yaml:1:1: is no YAML: "),
        ("a: 1\n---\nb: 2\n", "a.yaml:2:1: is no YAML: "),
        ("a: !!python/name:os.system x\n", "a.yaml:1:4: is no YAML: "),
        ("a: *nowhere\n", "a.yaml:1:4: is no YAML: "),
        ("ok: 1\nb: x\x07y\n", "a.yaml:2:5: is no YAML: the character U+0007"),
        ("a: &x [*x]\n", "a.yaml:1:1: is nested too deeply"),
        ("a:\n  - 2024-01-31\n", "a.yaml:2:5: a.0: '2024-01-31' is neither"),
        ("a: 2024-13-45\n", "a.yaml:1:4: a: '2024-13-45' is neither"),
        ("a: .nan\n", "a.yaml:1:4: a: '.nan' is no finite number"),
        ("1: x\n", "a.yaml:1:1: 1: a key must be a text"),
        ("on: x\n", "a.yaml:1:1: on: a key must be a text"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "a.yaml:3:3: <<: is not supported"),
    ],
)
def test_what_cannot_be_used_is_one_line_at_its_place(text, start):
    (line,) = said(text)
    assert line.startswith(start)


def test_an_anchor_is_read_wherever_it_is_used():
    assert parse_yaml("a: &x [1, 2]\nb: *x\n", "a.yaml").data == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n"])
def test_an_empty_file_holds_nothing(text):
    assert parse_yaml(text, "a.yaml").data == {}


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("question: größer?".encode("latin-1"))
    for path, why in (
        (latin, "it is no UTF-8 text"),
        (tmp_path / "none.yaml", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(SpecError) as caught:
            load_yaml(path)
        assert str(caught.value) == f"{path}:1:1: cannot be read: {why}"
