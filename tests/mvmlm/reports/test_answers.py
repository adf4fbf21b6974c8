"""Answers on disk: a kill loses a batch at most, two runs share, damage and a full disk are told."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from mvmlm.errors import DataError
from mvmlm.reports.answers import Answers, ask_all, model_identity
from mvmlm.reports.backends import Answer, Backend, Request, Sampling, UnfinishedError
from tests.tiny_language_model import save_tiny_model

BATCH = 4
SAMPLING = Sampling()
IDENTITY = {"model": "hub:some/model", "sampling": vars(SAMPLING)}
REQUESTS = [Request("", f"record {number}", number) for number in range(30)]

#: A process that asks all; each request that its backend is asked for is a line of the file `asked`.
PROCESS = """
import sys, time
from pathlib import Path
from tests.mvmlm.reports.test_answers import BATCH, IDENTITY, REQUESTS, SAMPLING, Echo
from mvmlm.reports.answers import Answers, ask_all
folder, pause = Path(sys.argv[1]), float(sys.argv[2])
ask_all(Echo(folder / "asked", pause), REQUESTS, SAMPLING, Answers(folder, IDENTITY), BATCH)
"""


class Echo(Backend):
    """Answers with what it was asked, and notes down what that was."""

    def __init__(self, asked: Path, pause_s: float = 0.0) -> None:
        super().__init__("echo", None)
        self.asked, self.pause_s = asked, pause_s

    def answer(
        self, requests: Sequence[Request], sampling: Sampling, on_answer: Callable[[int], None] | None = None
    ) -> list[Answer]:
        found = []
        for request in requests:
            with self.asked.open("a") as file:
                file.write(f"{request.user}\n")
            time.sleep(self.pause_s)
            found.append(Answer(f"{request.user} seed {request.seed}", "length", 3, 4))
        return found


def asked(folder: Path) -> list[str]:
    """What backends were asked, in all processes."""
    path = folder / "asked"
    return path.read_text().splitlines() if path.exists() else []


def ask(folder: Path, requests: Sequence[Request] = REQUESTS) -> list[Answer]:
    return ask_all(Echo(folder / "asked"), requests, SAMPLING, Answers(folder, IDENTITY), BATCH)


def start(folder: Path, pause_s: float) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PROCESS, str(folder), str(pause_s)], cwd=Path(__file__).parents[3])


def test_an_answer_is_found_again_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    answer = Answer("«Größe»\x00\ud800\n\t", "length", 12, 7)
    Answers(tmp_path, IDENTITY).add(REQUESTS[:1], [answer])
    again = Answers(tmp_path, IDENTITY)
    assert again.get(REQUESTS[0]) == answer
    assert again.get(REQUESTS[1]) is None


@pytest.mark.parametrize(
    "other", [Request("be brief", "record 0", 0), Request("", "record", 0), Request("", "record 0", 1)]
)
def test_another_question_or_seed_has_another_answer(tmp_path: Path, other: Request) -> None:
    answers = Answers(tmp_path, IDENTITY)
    answers.add(REQUESTS[:1], [Answer("one")])
    assert answers.get(other) is None


def test_another_model_or_sampling_knows_nothing_of_it(tmp_path: Path) -> None:
    Answers(tmp_path, IDENTITY).add(REQUESTS[:1], [Answer("one")])
    for other in ({**IDENTITY, "model": "hub:other/model"}, {**IDENTITY, "sampling": {"temperature": 0.0}}):
        assert Answers(tmp_path, other).get(REQUESTS[0]) is None


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    first = ask(tmp_path)
    assert [answer.text for answer in first] == [f"record {n} seed {n}" for n in range(30)]
    assert ask(tmp_path) == first
    assert len(asked(tmp_path)) == len(REQUESTS)


def test_a_request_that_is_there_twice_is_asked_once(tmp_path: Path) -> None:
    assert [a.text for a in ask(tmp_path, [REQUESTS[0], REQUESTS[1], REQUESTS[0]])] == [
        "record 0 seed 0", "record 1 seed 1", "record 0 seed 0"
    ]  # fmt: skip
    assert asked(tmp_path) == ["record 0", "record 1"]


def test_progress_counts_answers_of_all(tmp_path: Path) -> None:
    ask(tmp_path, REQUESTS[:8])
    told: list[tuple[int, int]] = []
    answers = Answers(tmp_path, IDENTITY)
    ask_all(
        Echo(tmp_path / "asked"), REQUESTS[:10], SAMPLING, answers, BATCH, lambda done, all_: told.append((done, all_))
    )
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_a_killed_run_loses_a_batch_at_most_and_ends_up_the_same(tmp_path: Path) -> None:
    process = start(tmp_path, pause_s=0.03)
    while len(asked(tmp_path)) < 14:
        assert process.poll() is None
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    before = asked(tmp_path)
    assert len(before) < len(REQUESTS)
    finished = ask(tmp_path)
    again = set(before) & set(asked(tmp_path)[len(before) :])
    assert len(again) <= BATCH
    assert set(asked(tmp_path)) == {request.user for request in REQUESTS}
    assert finished == ask(tmp_path / "uninterrupted")


def test_two_processes_at_once_ask_for_each_answer_once(tmp_path: Path) -> None:
    processes = [start(tmp_path, pause_s=0.01) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert sorted(asked(tmp_path)) == sorted(request.user for request in REQUESTS)


def test_what_another_process_wrote_meanwhile_is_not_asked_for_again(tmp_path: Path) -> None:
    mine = Answers(tmp_path, IDENTITY)
    Answers(tmp_path, IDENTITY).add(REQUESTS[:BATCH], [Answer("theirs")] * BATCH)
    found = ask_all(Echo(tmp_path / "asked"), REQUESTS[: BATCH + 1], SAMPLING, mine, BATCH)
    assert [answer.text for answer in found] == ["theirs"] * BATCH + ["record 4 seed 4"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "\x00" * len(text),
        lambda text: json.dumps([1, 2]),
        lambda text: text.replace('"text": "', '"words": "'),
        lambda text: text.replace('"text": "record 4 seed 4"', '"text": null'),
    ],
    ids=["half", "empty", "zeros", "another shape", "another name", "no text"],
)
def test_a_damaged_file_is_told_and_its_answers_are_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[str], str]
) -> None:
    whole = ask(tmp_path)
    file = next(path for path in Answers(tmp_path, IDENTITY).folder.glob("*.json") if "record 4 " in path.read_text())
    file.write_text(damage(file.read_text()))
    with caplog.at_level(logging.WARNING):
        assert ask(tmp_path) == whole
    assert [record.getMessage().startswith(str(file)) for record in caplog.records] == [True]
    assert asked(tmp_path)[len(REQUESTS) :] == [f"record {n}" for n in range(4, 8)]
    assert Answers(tmp_path, IDENTITY).get(REQUESTS[4]) == whole[4]


def test_a_backend_that_fails_half_way_leaves_its_answers(tmp_path: Path) -> None:
    class Failing(Echo):
        def answer(self, requests: Sequence[Request], sampling: Sampling, on_answer: object = None) -> list[Answer]:
            if REQUESTS[6] in requests:
                raise UnfinishedError("the server is gone", [*super().answer(requests[:2], sampling), None, None])
            return super().answer(requests, sampling)

    with pytest.raises(UnfinishedError, match="the server is gone"):
        ask_all(Failing(tmp_path / "asked"), REQUESTS, SAMPLING, Answers(tmp_path, IDENTITY), BATCH)
    ask(tmp_path)
    assert asked(tmp_path) == [request.user for request in REQUESTS]


def test_on_a_full_disk_one_line_says_so_and_earlier_batches_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, fsync = [], os.fsync

    def full_after_two(number: int) -> None:
        synced.append(number)
        if len(synced) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full_after_two)
        with pytest.raises(DataError, match=r"answers cannot be kept \(No space left on device\).*run again") as error:
            ask(tmp_path)
    assert "\n" not in str(error.value)
    folder = Answers(tmp_path, IDENTITY).folder
    assert sorted(path.suffix for path in folder.iterdir() if path.is_file()) == [".json", ".json"]
    ask(tmp_path)
    assert asked(tmp_path)[12:] == [f"record {n}" for n in range(8, 30)]


def test_a_really_full_disk_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        answers = Answers(folder, IDENTITY)
        answers.add(REQUESTS[:1], [Answer("kept")])
        with pytest.raises(DataError, match="No space left on device"):
            answers.add(REQUESTS[1:2], [Answer("x" * 100_000)])
        again = Answers(folder, IDENTITY)
        assert again.get(REQUESTS[0]) == Answer("kept")
        assert again.get(REQUESTS[1]) is None
        assert not list(again.folder.glob("*.tmp"))
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_answers_can_be_read_by_whoever_may_read_the_folder(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        answers = Answers(tmp_path, IDENTITY)
        answers.add(REQUESTS[:1], [Answer("one")])
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in answers.folder.glob("*.json")] == [0o644]


def test_a_local_model_is_known_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    one, two = save_tiny_model(tmp_path / "one"), save_tiny_model(tmp_path / "two")
    (two / "README.md").write_text("of people")
    (two / ".cache").mkdir()
    (two / ".cache" / "when").write_text("yesterday")
    assert model_identity(str(one)) == model_identity(str(two))
    weights = (two / "model.safetensors").read_bytes()
    (two / "model.safetensors").write_bytes(weights[:-9] + b"\x01" + weights[-8:])
    assert model_identity(str(one)) != model_identity(str(two))


def test_a_large_file_is_known_by_probes_all_over_it(tmp_path: Path) -> None:
    from mvmlm.reports.model_identity import STRIDE

    with (tmp_path / "model.safetensors").open("wb") as file:
        file.truncate(9 * STRIDE)
    before = model_identity(str(tmp_path))
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.seek(5 * STRIDE + 10)
        file.write(b"\x01")
    assert model_identity(str(tmp_path)) != before


def test_a_model_of_the_hub_is_known_by_its_name_before_and_after_it_is_fetched() -> None:
    assert model_identity("acme/model") == "hub:acme/model"
    assert model_identity("what:the/server/calls it") == "hub:what:the/server/calls it"
