"""A language model loaded here: exact draws, each of its own, and one line for whatever goes wrong."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare

from mvmlm.errors import ConfigError
from mvmlm.reports.backends import BACKENDS, Answer, Request, Sampling, UnfinishedError
from mvmlm.reports.backends.transformers_model import TransformersModel, TransformersOptions
from tests.tiny_language_model import CONTEXT, TEMPLATE, save_tiny_model

SAMPLING = Sampling(temperature=0.8, top_p=0.95, max_tokens=24)
REQUESTS = [Request("Be brief." if n % 2 else "", "mass: oval; " * (n % 5) + str(n), 100 + n) for n in range(8)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def backend(folder: Path) -> TransformersModel:
    return make(folder)


def make(model: Path | str, **options: Any) -> TransformersModel:
    return BACKENDS.get("transformers")(str(model), TransformersOptions(**{"device": "cpu", **options}))


def line(error: pytest.ExceptionInfo) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_an_answer_does_not_depend_on_what_is_asked_with_it(
    folder: Path, backend: TransformersModel, size: int
) -> None:
    alone = [backend.answer([request], SAMPLING)[0] for request in REQUESTS]
    assert len({answer.text for answer in alone}) == len(REQUESTS)
    batched = make(folder, batch_size=size)
    assert batched.answer(REQUESTS, SAMPLING) == alone
    assert batched.answer(REQUESTS[::-1], SAMPLING) == alone[::-1]
    assert batched.answer(REQUESTS[5:] + REQUESTS[:2], SAMPLING) == alone[5:] + alone[:2]


def test_another_seed_gives_another_answer_and_the_same_seed_the_same(backend: TransformersModel) -> None:
    request = REQUESTS[3]
    first, second, again = backend.answer([request, replace(request, seed=7), request], SAMPLING)
    assert first == again
    assert first.text != second.text


def test_at_temperature_zero_the_likeliest_token_is_taken_whatever_the_seed(backend: TransformersModel) -> None:
    sampling = Sampling(temperature=0.0, max_tokens=6)
    answers = backend.answer([replace(REQUESTS[0], seed=seed) for seed in (1, 2)], sampling)
    assert answers[0] == answers[1]
    ids, said = prompt_of(backend, REQUESTS[0]), []
    for _ in range(6):
        with torch.inference_mode():
            said.append(int(backend.loaded.model(torch.tensor([ids + said])).logits[0, -1].argmax()))
    cut = next((place for place, token in enumerate(said) if token in backend.loaded.ends), len(said))
    assert answers[0].text == backend.loaded.tokenizer.decode(said[:cut], skip_special_tokens=True)


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.8), (2.0, 0.5)])
def test_tokens_are_drawn_from_the_models_distribution(folder: Path, temperature: float, top_p: float) -> None:
    """First tokens of 4,000 answers against the softmax, warped in float64 by a plain loop; by a chi-square test."""
    count, sampling = 4000, Sampling(temperature, top_p, max_tokens=1)
    backend = make(folder, batch_size=500)
    answers = backend.answer([replace(REQUESTS[1], seed=seed) for seed in range(count)], sampling)
    got = Counter((answer.text, answer.finish) for answer in answers)
    expected = first_token_shares(backend, REQUESTS[1], sampling)
    assert set(got) <= set(expected)
    common = [outcome for outcome, share in expected.items() if share * count >= 5]
    seen = [got[outcome] for outcome in common]
    wanted = [expected[outcome] * count for outcome in common]
    assert len(common) > 3
    rest = count - sum(wanted)
    if rest > 1e-6:
        seen, wanted = [*seen, count - sum(seen)], [*wanted, rest]
    assert chisquare(seen, wanted, sum_check=False).pvalue > 1e-3


def first_token_shares(
    backend: TransformersModel, request: Request, sampling: Sampling
) -> dict[tuple[str, str], float]:
    loaded = backend.loaded
    with torch.inference_mode():
        logits = loaded.model(torch.tensor([prompt_of(backend, request)])).logits[0, -1].double().tolist()
    most = max(logits)
    weights = [math.exp((logit - most) / sampling.temperature) for logit in logits]
    held, kept = 0.0, {}
    for token in sorted(range(len(weights)), key=lambda place: -weights[place]):
        if held >= sampling.top_p * sum(weights):
            break
        kept[token] = weights[token]
        held += weights[token]
    shares: dict[tuple[str, str], float] = {}
    for token, weight in kept.items():
        ends = token in loaded.ends
        text = "" if ends else loaded.tokenizer.decode([token], skip_special_tokens=True)
        outcome = (text, "stop" if ends else "length")
        shares[outcome] = shares.get(outcome, 0.0) + weight / held
    return shares


def prompt_of(backend: TransformersModel, request: Request) -> list[int]:
    system = [{"role": "system", "content": request.system}] if request.system else []
    chat = [*system, {"role": "user", "content": request.user}]
    return backend.loaded.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)


def test_every_end_of_the_generation_config_ends_an_answer(backend: TransformersModel) -> None:
    """The tokenizer knows one end, the generation config two, as with Llama 3."""
    assert backend.loaded.ends == (0, 1)
    assert backend.loaded.tokenizer.eos_token_id == 0
    answers = backend.answer([replace(REQUESTS[0], seed=seed) for seed in range(64)], replace(SAMPLING, max_tokens=60))
    finishes = Counter(answer.finish for answer in answers)
    assert finishes["stop"] > 5
    assert finishes["length"] > 5
    assert all(answer.tokens == 60 for answer in answers if answer.finish == "length")
    assert all(answer.tokens < 60 for answer in answers if answer.finish == "stop")
    assert not any("<|" in answer.text for answer in answers)
    assert {answer.prompt_tokens for answer in answers} == {len(prompt_of(backend, REQUESTS[0]))}


def test_an_answer_that_ends_at_once_is_an_empty_one(folder: Path, tmp_path: Path) -> None:
    mute = make(silenced(folder, tmp_path / "mute"))
    assert mute.answer(REQUESTS[:1], replace(SAMPLING, temperature=0.0))[0].text == ""
    assert mute.answer(REQUESTS[:1], replace(SAMPLING, temperature=0.0))[0].finish == "stop"


def silenced(folder: Path, to: Path) -> Path:
    """The model, with every token but its likeliest first one made an end."""
    shutil.copytree(folder, to)
    config = json.loads((to / "generation_config.json").read_text())
    (to / "generation_config.json").write_text(json.dumps({**config, "eos_token_id": list(range(320))}))
    return to


def test_the_models_own_generation_settings_do_not_change_how_answers_are_drawn(
    folder: Path, backend: TransformersModel, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "other")
    path = tmp_path / "other" / "generation_config.json"
    own = {"do_sample": True, "temperature": 0.1, "top_k": 2, "repetition_penalty": 3.0, "max_length": 5}
    path.write_text(json.dumps({**json.loads(path.read_text()), **own}))
    assert make(tmp_path / "other").answer(REQUESTS, SAMPLING) == backend.answer(REQUESTS, SAMPLING)


@pytest.mark.parametrize(
    "template",
    [
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}" + TEMPLATE,
        TEMPLATE.replace("{% for message in messages %}", "{% for message in messages if message.role != 'system' %}"),
    ],
    ids=["refuses", "drops"],
)
def test_a_template_without_a_place_for_the_system_message_finds_it_before_the_users(
    backend: TransformersModel, tmp_path: Path, template: str
) -> None:
    other = make(save_tiny_model(tmp_path, template=template))
    folded = Request("", f"Be brief.\n\n{REQUESTS[1].user}", REQUESTS[1].seed)
    assert other.answer(REQUESTS[1:2], SAMPLING) == backend.answer([folded], SAMPLING)


def test_prompts_of_any_characters_are_answered(backend: TransformersModel) -> None:
    texts = ("", "\x00\x1b[31m\t", "Größe 5 µm – 乳房 🩻", "<|end|><|turn|>", "\u202e")
    strange = [Request("", text, 1) for text in texts]
    assert [type(answer.text) for answer in backend.answer(strange, SAMPLING)] == [str] * 5


def test_an_answer_near_the_end_of_the_context_has_the_room_that_it_has_alone(backend: TransformersModel) -> None:
    longest = fill(backend, CONTEXT - 5)
    together = backend.answer([longest, *REQUESTS], SAMPLING)
    assert together[0].tokens <= 5
    assert together == [backend.answer([request], SAMPLING)[0] for request in [longest, *REQUESTS]]


def test_a_prompt_beyond_the_context_is_told_before_anything_is_generated(
    backend: TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend.loaded.model, "generate", lambda **_: pytest.fail("generated"))
    with pytest.raises(ConfigError) as error:
        backend.answer([*REQUESTS, fill(backend, CONTEXT)], SAMPLING)
    assert line(error).startswith(f"reports.llm.prompt: a prompt of {CONTEXT} tokens")


def fill(backend: TransformersModel, tokens: int) -> Request:
    """A request whose prompt has so many tokens."""
    request = Request("", "", 5)
    while len(prompt_of(backend, request)) < tokens:
        request = replace(request, user=request.user + "#")
    assert len(prompt_of(backend, request)) == tokens
    return request


def test_progress_is_told_a_batch_at_a_time(folder: Path) -> None:
    told: list[int] = []
    make(folder, batch_size=3).answer(REQUESTS, SAMPLING, told.append)
    assert told == [3, 6, 8]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried …"),
    ],
    ids=["gpu", "cpu"],
)
def test_where_memory_is_short_the_batch_halves_and_the_answers_are_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: RuntimeError
) -> None:
    backend = make(folder, batch_size=8)
    whole = backend.answer(REQUESTS, SAMPLING)
    sizes = limit_memory(backend, monkeypatch, rows=3, error=error)
    with caplog.at_level(logging.WARNING):
        assert backend.answer(REQUESTS, SAMPLING) == whole
    assert sizes == [8, 4, 2, 2, 2, 2]
    assert len(caplog.records) == 2
    assert backend.answer(REQUESTS[:4], SAMPLING) == whole[:4]
    assert sizes[6:] == [2, 2]


def test_where_memory_is_too_short_for_one_a_line_says_so_and_what_was_answered_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make(folder, batch_size=4)
    whole = backend.answer(REQUESTS, SAMPLING)
    longest = max(answer.prompt_tokens for answer in whole)
    limit_memory(backend, monkeypatch, rows=1, columns=longest - 1, error=torch.OutOfMemoryError("CUDA out of memory"))
    with pytest.raises(UnfinishedError) as error:
        backend.answer(REQUESTS, SAMPLING)
    assert "runs out of memory with a single prompt" in line(error)
    assert [a for a in error.value.answers if a] == [a for a in whole if a.prompt_tokens < longest]


def limit_memory(
    backend: TransformersModel, monkeypatch: pytest.MonkeyPatch, *, rows: int, error: Exception, columns: int = CONTEXT
) -> list[int]:
    """Batches of more rows or columns run out of memory; returns the sizes that are tried."""
    sizes, generate = [], backend.loaded.model.generate

    def limited(**given: Any) -> torch.Tensor:
        sizes.append(len(given["input_ids"]))
        if given["input_ids"].shape[0] > rows or given["input_ids"].shape[1] > columns:
            raise error
        return generate(**given)

    monkeypatch.setattr(backend.loaded.model, "generate", limited)
    return sizes


def test_another_failure_of_the_model_is_not_taken_for_lack_of_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make(folder)
    limit_memory(backend, monkeypatch, rows=0, error=RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="shapes"):
        backend.answer(REQUESTS, SAMPLING)


def test_bf16_is_what_the_setting_says_and_fp32_the_default_of_a_cpu(folder: Path, backend: TransformersModel) -> None:
    assert backend.loaded.model.dtype == torch.float32
    low = make(folder, precision="bf16")
    assert low.loaded.model.dtype == torch.bfloat16
    assert [type(answer) for answer in low.answer(REQUESTS, SAMPLING)] == [Answer] * 8


def test_close_lets_go_of_the_model_and_the_next_question_loads_it_again(folder: Path) -> None:
    backend = make(folder)
    first = backend.answer(REQUESTS[:2], SAMPLING)
    backend.close()
    assert "loaded" not in vars(backend)
    assert backend.answer(REQUESTS[:2], SAMPLING) == first


@pytest.mark.parametrize(
    ("options", "setting"),
    [({"batch_size": 0}, "batch_size"), ({"precision": "fp8"}, "precision"), ({"device": "cuda:99"}, "device")],
)
def test_a_wrong_setting_is_named(folder: Path, options: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigError, match=rf"^reports\.llm\.{setting}: ") as error:
        make(folder, **options).answer(REQUESTS[:1], SAMPLING)
    assert line(error)


def test_a_model_that_is_not_there_is_told_with_what_is_and_how_to_get_it(tmp_path: Path) -> None:
    """In a process of its own: the hub's settings are read once."""
    cached = tmp_path / "hub" / "models--acme--other"
    (cached / "snapshots" / "0123456789abcdef0123456789abcdef01234567").mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0123456789abcdef0123456789abcdef01234567")
    said = ask_in_a_process("acme/model", HF_HOME=str(tmp_path), HF_HUB_OFFLINE="1")
    assert said.startswith("reports.llm.model: 'acme/model' cannot be loaded (")
    assert f"HF_HOME={tmp_path} has acme/other" in said
    assert "`hf download acme/model`" in said
    assert "tiny_llama, which needs no network" in said


def ask_in_a_process(model: str, **environment: str) -> str:
    code = (
        "import sys\n"
        "from mvmlm.errors import ConfigError\n"
        "from mvmlm.reports.backends import BACKENDS, Request, Sampling\n"
        "kind = BACKENDS.get('transformers')\n"
        "assert not {'torch', 'transformers', 'openai'} & set(sys.modules), 'heavy import'\n"
        "try:\n"
        "    kind(sys.argv[1], kind.Options()).answer([Request('', 'x', 0)], Sampling())\n"
        "except ConfigError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", code, model]
    root = Path(__file__).parents[3]
    found = subprocess.run(command, capture_output=True, text=True, cwd=root, env={**os.environ, **environment})
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("\n") == 1
    return found.stdout.strip()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("GatedRepoError", "is gated: accept its licence on https://huggingface.co/meta-llama/Big and set HF_TOKEN"),
        ("RepositoryNotFoundError", "the hub has no such model, or it is private"),
    ],
)
def test_a_model_that_the_hub_withholds_is_told_apart(monkeypatch: pytest.MonkeyPatch, kind: str, says: str) -> None:
    import httpx2
    from huggingface_hub import errors
    from transformers import AutoConfig

    def withheld(*_: Any, **__: Any) -> None:
        reply = httpx2.Response(401, request=httpx2.Request("GET", "https://huggingface.co/meta-llama/Big"))
        cause = getattr(errors, kind)("401 Client Error.\nAccess to it is restricted.", response=reply)
        raise OSError("You are trying to access it.\nMake sure …") from cause

    monkeypatch.setattr(AutoConfig, "from_pretrained", withheld)
    with pytest.raises(ConfigError) as error:
        make("meta-llama/Big").answer(REQUESTS, SAMPLING)
    assert says in line(error)
    assert "reports.llm.model: 'meta-llama/Big'" in line(error)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda folder: (folder / "config.json").unlink(), "it has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "holds no language model that can be loaded"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no"), "holds no language model"),
        (lambda folder: (folder / "config.json").write_text("{"), "holds no language model that can be loaded"),
        (lambda folder: (folder / "chat_template.jinja").unlink(), "has no chat template"),
    ],
    ids=["no config", "no weights", "damaged weights", "damaged config", "no template"],
)
def test_a_folder_that_is_no_whole_model_is_told(
    folder: Path, tmp_path: Path, harm: Callable[[Path], None], says: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    harm(broken)
    with pytest.raises(ConfigError) as error:
        make(broken).answer(REQUESTS, SAMPLING)
    assert says in line(error)
    assert line(error).startswith("reports.llm.model: ")
    assert str(broken) in line(error)


def test_a_path_without_a_folder_is_told() -> None:
    with pytest.raises(ConfigError, match=r"^reports\.llm\.model: there is no folder './nowhere'|'nowhere'"):
        make("./nowhere").answer(REQUESTS, SAMPLING)
