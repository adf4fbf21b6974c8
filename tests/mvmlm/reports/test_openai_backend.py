"""A model behind a server: a real one, and one that does everything wrong that a server can."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mvmlm.errors import ConfigError
from mvmlm.reports.answers import Answers, ask_all
from mvmlm.reports.backends import BACKENDS, Answer, Request, Sampling, UnfinishedError
from mvmlm.reports.backends.model_loading import NAMES

SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_tokens=64)
REQUESTS = [Request("Be brief.", f"question {n}", n) for n in range(6)]


def backend(url: str, model: str = "m", **options: Any):
    kind = BACKENDS.get("openai")
    return kind(model, kind.Options(**{"url": url, "timeout_s": 5.0, "retries": 2, **options}))


def completion(text: Any, finish: str = "stop", **more: Any) -> str:
    said = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text}}
    return json.dumps({"id": "x", "object": "chat.completion", "model": "m", "choices": [said], **more})


class Server:
    """A server on this machine that answers by a function: (status, body) and headers of the n-th request."""

    def __init__(self) -> None:
        self.asked: list[dict] = []
        self.act: Callable[[int, dict], tuple] = lambda number, asked: (200, completion("fine"))
        self.now = self.most = 0
        lock, server = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    server.asked.append({**asked, "key": self.headers.get("Authorization")})
                    number = len(server.asked)
                    server.now += 1
                    server.most = max(server.most, server.now)
                reply = server.act(number, asked)
                with lock:
                    server.now -= 1
                self.say(*reply)

            def do_GET(self) -> None:
                self.say(200, json.dumps({"object": "list", "data": [{"id": "other"}, {"id": "third"}]}))

            def say(self, status: int | None, body: str = "", headers: dict | None = None) -> None:
                if status is None:  # closes the connection in the middle
                    self.close_connection = True
                    return
                content = body.encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def first_fails(failure: tuple, then: str = "fine") -> Callable[[int, dict], tuple]:
    return lambda number, asked: failure if number == 1 else (200, completion(then))


def line(error: pytest.ExceptionInfo) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_asked_is_what_the_protocol_says(server, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    server.act = lambda number, asked: (200, completion("A mass.", usage=usage))
    (answer,) = backend(server.url, key_variable="MY_KEY").answer(REQUESTS[3:4], SAMPLING)
    assert answer == Answer("A mass.", "stop", 7, 3)
    (asked,) = server.asked
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "question 3"},
    ]
    assert (asked["model"], asked["temperature"], asked["top_p"], asked["max_tokens"]) == ("m", 0.7, 0.9, 64)
    assert (asked["seed"], asked["key"]) == (3, "Bearer secret")


def test_answers_stand_in_the_order_of_the_questions_and_several_are_under_way(server):
    def act(number: int, asked: dict) -> tuple:
        time.sleep(0.3 if number == 1 else 0.05)
        return 200, completion(asked["messages"][-1]["content"].upper())

    server.act = act
    done: list[int] = []
    answers = backend(server.url, concurrency=3).answer(REQUESTS, SAMPLING, done.append)
    assert [answer.text for answer in answers] == [f"QUESTION {n}" for n in range(6)]
    assert 1 < server.most <= 3
    assert done[-1] == 6


@pytest.mark.parametrize(
    "failure",
    [
        (429, "{}", {"Retry-After": "0"}),
        (500, "out of order"),
        (503, "{}"),
        (None,),
        (200, "<html>Welcome!</html>"),
        (200, "{}"),
        (200, json.dumps({"choices": []})),
        (200, completion(None)),
    ],
)
def test_a_passing_failure_is_asked_again(server, failure):
    server.act = first_fails(failure)
    (answer,) = backend(server.url).answer(REQUESTS[:1], SAMPLING)
    assert answer.text == "fine" and len(server.asked) == 2


def test_a_server_that_says_to_wait_is_waited_for(server):
    server.act = first_fails((429, "{}", {"Retry-After": "1"}))
    began = time.monotonic()
    backend(server.url).answer(REQUESTS[:1], SAMPLING)
    assert time.monotonic() - began >= 0.9


def always(*answer: Any) -> Callable[[int, dict], tuple]:
    return lambda number, asked: answer


@pytest.mark.parametrize(
    ("act", "options", "says"),
    [
        (always(500, "broken"), {"retries": 1}, "fails (Error code: 500"),
        (always(200, "<html>"), {"retries": 1}, "answers with what is no chat completion (<html>), 2 times"),
        (always(401, "{}"), {}, "reports.llm.key_variable"),
        (always(404, "{}"), {}, "it offers other, third"),
        (always(400, "{}"), {}, "refuses the request"),
    ],
)
def test_a_lasting_failure_is_one_line(server, act, options, says):
    server.act = act
    with pytest.raises(ConfigError) as caught:
        backend(server.url, **options).answer(REQUESTS[:1], SAMPLING)
    assert says in line(caught) and server.url in line(caught)


def test_a_server_that_hangs_is_given_up(server):
    server.act = lambda number, asked: (time.sleep(2), (200, completion("late")))[1]
    with pytest.raises(ConfigError, match=r"says nothing for 0\.3 s, asked 1 times; .*reports\.llm\.timeout_s"):
        backend(server.url, timeout_s=0.3, retries=0).answer(REQUESTS[:1], SAMPLING)


def test_where_no_server_runs_a_line_says_so():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(ConfigError, match=r"reports\.llm\.url: no server answers at http"):
        backend(url, retries=0).answer(REQUESTS[:1], SAMPLING)


def test_endless_and_empty_answers_come_as_they_are(server):
    server.act = lambda number, asked: (200, completion("and and and", "length") if number == 1 else completion(""))
    answers = backend(server.url, concurrency=1).answer(REQUESTS[:2], SAMPLING)
    assert [(answer.text, answer.finish) for answer in answers] == [("and and and", "length"), ("", "stop")]


def test_any_characters_pass(server):
    server.act = lambda number, asked: (200, completion(asked["messages"][-1]["content"]))
    words = "mässig \u202e 🙂 \x00\x07 \ufeff"
    (answer,) = backend(server.url).answer([Request("", words, 0)], SAMPLING)
    assert answer.text == words


def test_beyond_the_budget_nothing_more_is_asked_and_what_was_answered_is_kept(server, tmp_path):
    usage = {"prompt_tokens": 40, "completion_tokens": 20}
    server.act = lambda number, asked: (200, completion(f"answer {number}", usage=usage))
    answers = Answers(tmp_path, {"model": "m"})
    thrifty = backend(server.url, concurrency=1, budget_tokens=120)
    with pytest.raises(UnfinishedError) as caught:
        ask_all(thrifty, REQUESTS, SAMPLING, answers, batch=6)
    assert "reports.llm.budget_tokens: 120 tokens are read and written, the budget is 120" in line(caught)
    assert len(server.asked) == 2
    again = ask_all(backend(server.url), REQUESTS, SAMPLING, Answers(tmp_path, {"model": "m"}), batch=6)
    assert [a.text for a in again[:2]] == ["answer 1", "answer 2"] and len(server.asked) == 6


@pytest.mark.parametrize("url", ["", "localhost:8000"])
def test_an_address_that_is_none_is_named(url):
    with pytest.raises(ConfigError, match=r"reports\.llm\.url: .* is no address of a server"):
        backend(url)


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    """``transformers serve``, a process of its own, with the embedded model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", "--host", "127.0.0.1", "--device", "cpu"]
    process = subprocess.Popen(
        [*map(str, command), "--port", str(port), str(NAMES["tiny_llama"])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
                break
            except OSError:
                assert process.poll() is None, "the server ended by itself"
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def test_a_real_server_writes_reports(real):
    from mvmlm.reports.faithfulness import check
    from mvmlm.reports.record import Record
    from mvmlm.reports.source import Case, Draw
    from mvmlm.reports.write import make_source

    records = [Record(mass=True, birads=4), Record(density="C", mass=False), Record(age=57, calcification=True)]
    options = {"backend": "openai", "url": real, "model": str(NAMES["tiny_llama"]), "temperature": 0.0}
    texts = make_source("llm", options).write([Draw(Case(record)) for record in records])
    assert all(check(record, text).faithful for record, text in zip(records, texts))
    assert "BI-RADS" in texts[0] and "heterogeneously dense" in texts[1] and "57" in texts[2]
