"""Pages as a reader has them: the report from a file, and MLflow's UI on a small real store."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
from rich.console import Console

from harness.cli.ui import RUNS
from harness.home import Home
from harness.report.invocation import report_invocation
from harness.report.page import render, write_report
from tests.harness.browser import PATIENCE_S, Browser, needs_chromium
from tests.harness.report.made_up import SAID, made_up, recorded
from tests.harness.table_cells import grid, wounded

pytestmark = needs_chromium
UP_S = 300.0
"""Patience with MLflow's server, which takes a minute of a busy machine to start."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser") / "profile") as one:
        yield one


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with gaps of every kind."""
    folder = tmp_path_factory.mktemp("report")
    return write_report(made_up(folder, wounded()), folder / "demo.report.html")


@pytest.fixture
def opened(browser, page):
    browser.resize(1280)
    browser.prefer("light")
    browser.open(page.as_uri())
    return browser


def test_the_report_opens_from_a_file_and_asks_for_nothing_else(opened, page):
    text = opened.text()
    assert opened.requests() == [page.as_uri()]
    assert opened.complaints() == []
    for words in ("How many pseudo-tokens", "SIMULATED DATA", "16 (ref)", "CUDA out of memory", SAID["command"]):
        assert words in text
    assert (
        opened.value("[...document.images].every(i => i.complete && i.naturalWidth > 0) && document.images.length") == 2
    )


@pytest.mark.parametrize("width", [320, 400, 800])
def test_on_a_phone_nothing_is_wider_than_the_screen(opened, width):
    opened.resize(width)
    opened.value("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.value("document.documentElement.scrollWidth") <= width
    assert opened.value("parseFloat(getComputedStyle(document.querySelector('.caption')).fontSize)") >= 13


def brightness(browser) -> tuple[float, float]:
    """Of the page and of its text, from 0 to 255."""
    said = browser.value("(s => [s.backgroundColor, s.color])(getComputedStyle(document.body))")
    return tuple(float(np.mean([int(v) for v in colour[4:-1].split(",")])) for colour in said)


def test_in_the_dark_the_page_is_dark_and_its_text_is_not(opened):
    paper, ink = brightness(opened)
    assert paper > 250 and ink < 60
    opened.prefer("dark")
    paper, ink = brightness(opened)
    assert paper < 40 and ink > 200


def test_it_prints_with_what_is_folded_away_on_a_screen(opened):
    shown = "document.querySelector('{}').checkVisibility({{contentVisibilityAuto: true}})"
    inside, runs = shown.format("#settings details td"), shown.format("#runs")
    assert opened.value(runs) and not opened.value(inside)
    opened.prefer(medium="print")
    assert opened.becomes(inside) and not opened.value(runs)
    printed = opened.pdf()
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") > 2


def test_a_keyboard_reaches_everything(opened):
    opened.press("Tab")
    assert opened.value("document.activeElement.className") == "skip"
    opened.press("Enter")
    assert opened.value("location.hash") == "#table"
    opened.value("document.querySelector('#runs summary').focus()")
    opened.press("Enter")
    assert opened.value("document.querySelector('#runs details').open")
    assert opened.value("[...document.querySelectorAll('.scroll')].every(e => e.tabIndex === 0)")


def test_a_page_of_two_thousand_cells_opens(browser, tmp_path):
    frame = grid(tokens=range(1, 113), seeds=(0, 1, 2), draws=50)
    path = tmp_path / "large.html"
    path.write_text(render(made_up(tmp_path, frame)))
    browser.open(path.as_uri())
    assert browser.value("document.querySelectorAll('#runs tbody tr').length") > 2000
    assert browser.complaints() == []


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> tuple[Home, str, dict]:
    """A home with a report among its artifacts; the parent run's id, and all cells' runs by their names."""
    folder = tmp_path_factory.mktemp("ui")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        home, tracker, run_id = recorded(folder)
        report_invocation(Console(quiet=True), tracker, home, run_id, folder / "results")
        runs = tracker.client.search_runs([tracker.experiment("a")], "tags.`harness.role` = 'cell'")
    return home, run_id, {run.info.run_name: run for run in runs}


@pytest.fixture(scope="module")
def ui(home, tmp_path_factory):
    """``harness ui``, and what it printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "harness", "ui", "--home", str(home[0].root), "--port", str(port)]
    kept = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "MVMLM_HOME")}
    log = tmp_path_factory.mktemp("log") / "ui.txt"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=kept, stdout=out, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/", log.read_text()
    finally:
        server.terminate()
        server.wait(timeout=60)


def _wait_for(address: str, server: subprocess.Popen, log) -> None:
    ends = time.monotonic() + UP_S
    while True:
        assert server.poll() is None and time.monotonic() < ends, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(address, timeout=5).read()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)


@pytest.mark.slow
def test_in_the_ui_cells_lie_under_their_ablation(browser, ui, home):
    address, printed = ui
    _, parent, runs = home
    runs_page = f"{address}{RUNS.format(runs[next(iter(runs))].info.experiment_id)}"
    assert f"a: {runs_page}" in printed
    browser.resize(1600)
    browser.open(runs_page)
    text = browser.wait_for("a demo 20")
    assert f"{len(runs) + 1} matching runs" in text and "method=mvmlm" not in text
    cell = f"document.querySelector('a[href$=\"runs/{parent}\"]').closest('[role=gridcell]')"
    browser.value(f"{cell}.querySelector('button').click()")
    text = browser.wait_for("method=mvmlm")
    assert "method=supervised" in text and "baseline=metadata" in text
    assert all(url.startswith(address) for url in browser.requests()), "the UI asks no other server"


@pytest.mark.slow
def test_in_the_ui_a_cell_has_its_settings_numbers_and_curves(browser, ui, home):
    name, run = next((name, run) for name, run in home[2].items() if name.startswith("method=mvmlm"))
    base = f"{ui[0]}#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    browser.resize(1600)
    browser.open(base)
    text = browser.wait_for("auc.breast")
    assert name in text and "method.encoder" in text and "test_resnet" in text and "0.75" in text
    browser.open(f"{base}/model-metrics")
    browser.wait_for("(pretrain/loss)")


@pytest.mark.slow
def test_in_the_ui_the_ablation_has_its_report_and_cells_can_be_compared(browser, ui, home):
    _, parent, runs = home
    experiment = next(iter(runs.values())).info.experiment_id
    browser.resize(1600)
    browser.open(f"{ui[0]}#/experiments/{experiment}/runs/{parent}/artifacts/table/demo.report.html")
    browser.wait_for("demo.report.html", patience_s=2 * PATIENCE_S)
    both = [run.info.run_id for name, run in runs.items() if name.startswith("method=")]
    browser.open(
        f"{ui[0]}#/compare-runs?runs={json.dumps(both)}&experiments={json.dumps([experiment])}".replace(" ", "")
    )
    text = browser.wait_for("method.name")
    assert "supervised" in text and "mvmlm" in text and "auc.breast" in text
