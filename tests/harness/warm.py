"""``python -m harness`` in a process of its own that need not import PyTorch, Ray and MLflow first.

A warm process imports these packages once, then forks for each command: the child runs the module ``harness`` from its
first line on, with its own arguments, environment, folder and streams. Nothing of this project is imported beforehand.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from pathlib import Path
from threading import Timer
from typing import NoReturn

PACKAGES = (
    "jinja2", "lifelines", "matplotlib.pyplot", "mlflow", "mlflow.store.tracking.sqlalchemy_store", "mlflow.tracking",
    "pandas", "pydicom", "ray", "ray.tune", "rich", "scipy.stats", "sklearn.linear_model", "timm", "torch",
    "transformers", "yaml",
)  # fmt: skip
CHANGEABLE = {"COLUMNS", "RAY_ADDRESS", "PYTEST_CURRENT_TEST"}
"""Variables of the environment that no package reads when it is imported."""


class WarmProcess:
    """Starts commands from a process that has imported what they need.

    Parameters
    ----------
    environment : dict
        That the packages are imported with.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = _lasting(environment)
        command = [sys.executable, "-c", f"from {__name__} import serve; serve()"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def serves(self, environment: dict[str, str]) -> bool:
        """Whether a process with this environment would have imported the same."""
        return _lasting(environment) == self._environment

    def run(
        self, arguments: list[str], *, cwd: Path, env: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess:
        """As `subprocess.run` of ``python -m harness`` with these arguments, output captured as text."""
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            streams = [f"/proc/{os.getpid()}/fd/{file.fileno()}" for file in (out, err)]
            said = {"arguments": arguments, "cwd": str(cwd), "env": env, "streams": streams}
            print(json.dumps(said), file=self._process.stdin, flush=True)
            timer = Timer(timeout, os.kill, (int(self._process.stdout.readline()), signal.SIGKILL))
            timer.start()
            code = int(self._process.stdout.readline())
            timed_out = timer.finished.is_set()
            timer.cancel()
            texts = [(file.seek(0), file.read())[1] for file in (out, err)]
        if timed_out:
            raise subprocess.TimeoutExpired(arguments, timeout, *texts)
        return subprocess.CompletedProcess(arguments, code, *texts)

    def close(self) -> None:
        """End the warm process."""
        self._process.stdin.close()
        self._process.wait(timeout=30)


def _lasting(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in CHANGEABLE}


def serve() -> None:
    """What the warm process does: a command a line, answered by its process's id and, when it is over, exit code."""
    for name in PACKAGES:
        __import__(name)
    gc.collect()
    gc.freeze()  # what a collection does not touch, a child need not copy
    for line in sys.stdin:
        said = json.loads(line)
        if not (pid := os.fork()):
            _become(said)
            _run()
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    os._exit(0)


def _run() -> NoReturn:
    """Run the module and end as Python would, but for taking thousands of modules apart again."""
    code = 0
    try:
        runpy.run_module("harness", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _become(said: dict) -> None:
    """Take on the arguments, environment, folder and streams of a command."""
    os.environ.clear()
    os.environ.update(said["env"])
    os.chdir(said["cwd"])
    for stream, (path, flags) in enumerate(
        [(os.devnull, os.O_RDONLY), *((path, os.O_WRONLY | os.O_APPEND) for path in said["streams"])]
    ):
        opened = os.open(path, flags)
        os.dup2(opened, stream)
        os.close(opened)
    sys.argv[1:] = said["arguments"]
    sys.path[0] = said["cwd"]
