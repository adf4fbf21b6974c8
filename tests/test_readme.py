"""The README keeps its word: its commands are real, its example method trains, its files exist."""

from __future__ import annotations

import importlib
import re
import shlex
from itertools import pairwise
from pathlib import Path

import torch

from harness.cli import COMMANDS
from harness.expand import expand_file
from harness.facts import Facts
from mvmlm.batch import Batch
from mvmlm.data.readers.table import Table
from mvmlm.methods import METHODS, Shapes, build_method

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_the_two_commands_stand_at_the_top():
    top = README.splitlines()[:20]
    assert any(line.startswith("make demo") for line in top) and any(line.startswith("make test") for line in top)


def test_every_file_that_is_linked_is_there():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links and [link for link in links if not (ROOT / link).exists()] == []


def own_data_command(root: Path) -> list[str]:
    """The words of the README's command for one's own data, with another folder."""
    (block,) = [b for b in re.findall(r"```\n(.*?)```", README, re.S) if "name: table" in b]
    return shlex.split(block.replace("\\\n", " ").replace("/data/mammograms", str(root)))


def test_the_command_for_your_own_data_reads_such_a_table(tmp_path):
    words = own_data_command(tmp_path)
    (tmp_path / "labels.csv").write_text(
        "file,patient_id,laterality,view,image_type,findings,pathology,age,density\n"
        "a.png,p1,L,CC,low-energy (standard-mammogram-like),Irregular mass,Malignant,51,C\n"
        "b.png,p2,R,MLO,low-energy (standard-mammogram-like),Calcifications,Benign,,B\n"
        "c.png,p2,R,MLO,contrast,mass,Benign,,B\n"
    )
    overrides = [after for word, after in pairwise(words) if word == "--set"]
    expansion = expand_file("token_count", overrides=overrides, seeds=[0])
    assert {c.coordinates["task"] for c in expansion.cells} == {"mass", "malignancy"}
    data = expansion.cells[0].config.data
    exams = Table().read(tmp_path, Facts().reader_options(data.name, data.options))
    assert exams["mass"].tolist() == [True, False] and exams["calcification"].tolist() == [False, True]
    assert exams["malignancy"].tolist() == [True, False]


def test_every_command_of_the_readme_is_one():
    said = set(re.findall(r"python -m harness ([a-z]+)", README))
    assert said == set(COMMANDS)


def test_the_example_method_works_as_printed(tmp_path, monkeypatch):
    (code,) = [c for c in re.findall(r"```python\n(.*?)```", README, re.S) if "@METHODS.register" in c]
    try:
        (tmp_path / "readme_example.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        importlib.import_module("readme_example")
        loss = {"temperature": 0.07, "same_patient": "mask", "same_report": "mask"}
        method = build_method({"name": "views_only", "encoder": "test_resnet"}, Shapes((64, 48)), loss=loss)
        batch = Batch(torch.rand(4, 2, 1, 64, 48), torch.ones(4, 2, dtype=torch.bool), torch.arange(4))
        value, _ = method.loss(batch)
        value.backward()
        assert torch.isfinite(value) and all(p.grad is not None for p in method.parameters())
    finally:
        METHODS._items.pop("views_only", None)
