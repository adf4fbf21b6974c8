"""Source ``llm``: requests, seeds, the cache, and what is made of an answer."""

from __future__ import annotations

import pytest

from mvmlm.reports import llm as module
from mvmlm.reports.backends import BACKENDS, Answer, Backend
from mvmlm.reports.llm import LLMOptions, whole
from mvmlm.reports.record import Record
from mvmlm.reports.source import Case, Draw, Setting
from mvmlm.reports.write import make_source

DRAWS = [Draw(Case(Record(mass=True)), sample) for sample in (0, 1)] + [Draw(Case(Record(mass=False)))]


class Echo(Backend):
    """Answers with the seed and the question; remembers what it was asked."""

    Options = LLMOptions
    asked: list

    def answer(self, requests, sampling, on_answer=None):
        type(self).asked += requests
        return [Answer(f"{request.seed}: {request.user}") for request in requests]


@pytest.fixture
def echo(monkeypatch):
    BACKENDS.names()
    monkeypatch.setitem(BACKENDS._items, "echo", Echo)
    monkeypatch.setattr(Echo, "asked", [], raising=False)
    return Echo


def write(draws, cache=None, seed=0, **options):
    return make_source("llm", {"backend": "echo", **options}, Setting(seed, cache)).write(draws)


def test_every_answer_has_a_seed_of_its_own_that_nothing_else_changes(echo):
    texts = write(DRAWS)
    assert len({text.partition(":")[0] for text in texts}) == 3
    assert write(DRAWS[::-1]) == texts[::-1]
    assert write(DRAWS[1:2]) == texts[1:2]
    assert set(write(DRAWS, seed=1)).isdisjoint(texts)


def test_an_answer_is_asked_for_once_for_each_model_prompt_and_way_of_sampling(echo, tmp_path):
    first = write(DRAWS, tmp_path)
    assert write(DRAWS, tmp_path) == first and len(echo.asked) == 3
    for change in ({"model": "other"}, {"prompt": "radiologist"}, {"temperature": 0.1}, {"precision": "bf16"}):
        before = len(echo.asked)
        write(DRAWS, tmp_path, **change)
        assert len(echo.asked) == before + 3
    before = len(echo.asked)
    write(DRAWS, tmp_path, batch_size=1, concurrency=2)
    assert len(echo.asked) == before


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Answer("There is a mass. No evidence of calc", "length"), "There is a mass."),
        (Answer("mass: present\ncalcif", "length"), "mass: present"),
        (Answer("and and and", "length"), ""),
        (Answer("There is a mass", "stop"), "There is a mass"),
        (Answer("", "length"), ""),
    ],
)
def test_a_last_sentence_that_was_cut_goes(answer, text):
    assert whole(answer) == text


def test_every_option_of_both_backends_is_a_setting():
    known = set(module.LLMOptions.__dataclass_fields__)
    for name in ("transformers", "openai"):
        assert set(BACKENDS.get(name).Options.__dataclass_fields__) <= known
