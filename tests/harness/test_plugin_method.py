"""A method from somebody else's package: installed for real, listed, run; and one that cannot be loaded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from mvmlm.errors import ConfigError
from mvmlm.methods import METHODS
from mvmlm.registry import Registry

HERE = Path(__file__).parent / "plugin_package"
ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "data.options={exams: 24, height: 160, width: 128, test_share: 0.4}",
    "images={height: 64, width: 48}",
    "method.encoder=test_resnet",
    "train={epochs: 1, min_steps: 0, batch_size: 8, precision: fp32}",
    "eval={draws: 50, folds: 2}",
]


def installer() -> list[str]:
    """The command that installs a package: uv's, else pip's."""
    uv = shutil.which("uv", path=os.pathsep.join([f"{sys.prefix}/bootstrap/bin", os.environ.get("PATH", "")]))
    return [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]


def install(source: Path, folder: Path) -> Path:
    """Build a package and install it into ``folder``, without a network."""
    shutil.copytree(source, folder / "source")
    subprocess.run(
        [*installer(), "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
        + ["--target", str(folder / "installed"), str(folder / "source")],
        check=True,
        capture_output=True,
        text=True,
    )
    return folder / "installed"


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The example package, in a folder of its own."""
    return install(HERE, tmp_path_factory.mktemp("plugin"))


def with_package(folder: Path) -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])}


@pytest.mark.parametrize("name", ["pyproject.toml", "predictive_views.py", "predictive_views.yaml"])
def test_contributing_shows_the_package_as_it_is(name):
    blocks = re.findall(r"```[a-z]+\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.S)
    assert (HERE / name).read_text() in blocks


def test_what_is_installed_brings_its_name_and_its_code(installed):
    (points,) = installed.glob("predictive_views-*.dist-info/entry_points.txt")
    assert "predictive_views = predictive_views:PredictiveViews" in points.read_text()
    assert (installed / "predictive_views.py").is_file()


@pytest.mark.slow
def test_an_installed_method_is_listed_and_runs_to_its_table(harness, installed):
    listed = harness("ls", "methods", **with_package(installed))
    assert listed.returncode == 0, listed.stderr
    assert "predictive_views" in listed.stdout and "mvmlm" in listed.stdout
    assert "predictive_views" not in METHODS, "only where its package is"
    harness.ablation = harness.folder / "predictive_views.yaml"
    harness.ablation.write_text((HERE / "predictive_views.yaml").read_text())
    sets = [word for setting in SMALL for word in ("--set", setting)]
    done = harness.run(*sets, **with_package(installed))
    assert done.returncode == 0, done.stderr + done.stdout
    table = (harness.folder / "results" / "predictive_views" / "demo.md").read_text()
    assert "| prediction weight | mass" in table and "\n| 0.5 | " in table and "0 (ref)" in table
    assert len(harness.stages("pretrain")) == 2


def test_a_method_that_is_not_installed_is_no_method(harness):
    harness.ablation.write_text((HERE / "predictive_views.yaml").read_text())
    refused = harness("plan", str(harness.ablation))
    assert refused.returncode == 2
    assert "unknown method 'predictive_views'" in refused.stderr


def broken_package(folder: Path, body: str, name: str = "broken_views") -> Path:
    """A package with the example's layout, whose module does not load."""
    folder.mkdir()
    project = (HERE / "pyproject.toml").read_text().replace("predictive-views", "broken-package")
    (folder / "pyproject.toml").write_text(project.replace("predictive_views =", f"{name} ="))
    (folder / "predictive_views.py").write_text(body)
    return folder


def test_a_package_that_cannot_be_imported_is_said_in_one_line_and_harms_no_other(harness, tmp_path):
    folder = install(broken_package(tmp_path / "b", "import no_such_library\n"), tmp_path / "place")
    listed = harness("ls", "methods", **with_package(folder))
    assert listed.returncode == 0, listed.stderr
    assert "mvmlm" in listed.stdout and "broken_views" not in listed.stdout
    (line,) = listed.stderr.strip().splitlines()
    for words in ("broken_views", "broken-package 0.1.0", "mvmlm.methods", "No module named 'no_such_library'"):
        assert words in line
    harness.write({**yaml.safe_load(harness.ablation.read_text()), "axes": {"method.name": ["broken_views"]}})
    refused = harness("plan", str(harness.ablation), **with_package(folder))
    assert refused.returncode == 2
    assert "cannot be loaded" in refused.stderr and "unknown method" not in refused.stderr


@pytest.fixture
def registry_of(tmp_path, monkeypatch):
    """A registry that finds the entry points of a package with this code, under this name."""

    def make(body: str, name: str = "theirs") -> Registry:
        info = tmp_path / "some_package-2.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-package\nVersion: 2.0\n")
        (info / "entry_points.txt").write_text(f"[mvmlm.trial]\n{name} = their_module_{tmp_path.name}:Thing\n")
        (tmp_path / f"their_module_{tmp_path.name}.py").write_text(body)
        monkeypatch.syspath_prepend(tmp_path)
        return Registry("thing", entry_points="mvmlm.trial")

    return make


def test_a_registry_takes_what_a_package_offers(registry_of):
    registry = registry_of("class Thing: pass\n")
    assert registry.names() == ["theirs"] and registry.get("theirs").__name__ == "Thing"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("Thing_ = 1", "AttributeError"),
        ("def Thing(", "SyntaxError"),
    ],
)
def test_whatever_goes_wrong_in_it_is_one_line(registry_of, caplog, body, why):
    registry = registry_of(body)
    registry.register("ours")(Registry)
    assert registry.names() == ["ours"]
    assert why in caplog.text and "some-package 2.0" in caplog.text and caplog.text.count("\n") == 1
    with pytest.raises(ConfigError, match=r"of package some-package 2\.0 cannot be loaded"):
        registry.get("theirs")
    with pytest.raises(ConfigError, match="unknown thing"):
        registry.get("nobody's")


def test_a_module_of_ours_that_cannot_be_imported_is_an_error_until_it_can(tmp_path, monkeypatch):
    package = tmp_path / f"ours_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "thing.py").write_text("raise OSError('no such file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", packages=(package.name,))
    for _ in range(2):
        with pytest.raises(OSError, match="no such file"):
            registry.names()
    (package / "thing.py").write_text("")
    registry.register("ours")(Registry)
    assert registry.names() == ["ours"]


def test_whoever_looks_up_while_another_thread_imports_waits_for_it(tmp_path, monkeypatch):
    package = tmp_path / f"slow_{tmp_path.name}"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "thing.py").write_text("import time\ntime.sleep(0.5)\nfrom builtins import REGISTRY\n"
                                      "@REGISTRY.register('late')\nclass Thing: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("thing", packages=(package.name,))
    monkeypatch.setattr("builtins.REGISTRY", registry, raising=False)
    with ThreadPoolExecutor(4) as pool:
        assert [job.result() for job in [pool.submit(registry.names) for _ in range(4)]] == [["late"]] * 4


def test_a_name_that_is_taken_stays_with_who_has_it(registry_of, caplog):
    registry = registry_of("class Thing: pass\n", name="ours")
    registry.register("ours")(Registry)
    assert registry.get("ours") is Registry
    assert "some-package 2.0 is left out: thing 'ours' is mvmlm.registry.Registry already" in caplog.text
