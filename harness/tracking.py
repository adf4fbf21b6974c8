"""MLflow: the only file that speaks to it, and only from the driver.

One experiment an ablation, one parent run an invocation, one child run a cell and one a trial of a search (tag
``harness.role``). A child is written whole when its cell or its search has ended; what a killed driver left RUNNING,
parent or half-written child, is closed as KILLED by the next command. The store is the outbox: what could not be logged
is logged by the next run of the same ablation.
"""

from __future__ import annotations

import functools
import json
import logging
import math
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from filelock import FileLock

from harness.environment import environment, git_commit
from harness.home import Home
from harness.lease import is_dead, lease
from harness.recorded_spec import read_spec
from mvmlm.errors import MvmlmError

CELLS = "cells.parquet"
CELL_TAG = "harness.cell"
STAGE_TAG = "harness.stage"
TRIAL_TAG = "harness.trial"
LEASE_TAG = "harness.lease"
METRICS_AT_ONCE, PARAMS_AT_ONCE = 900, 100  # of a request; a server takes no more than 1,000 and 100
LONGEST_TAG = 8000  # characters; MLflow cuts what is longer


class TrackingError(MvmlmError):
    """The MLflow store cannot be used."""


def metric_key(name: str) -> str:
    """A metric's name as MLflow takes it: ``auc@breast/low`` is stored as ``auc.breast.low``."""
    return name.replace("@", ".").replace("/", ".")


def param_key(name: str) -> str:
    """A setting's dotted name as MLflow takes it: what it refuses, such as brackets, becomes ``_``."""
    return re.sub(r"[^\w.\- /:]", "_", name)


def told(method: Callable) -> Callable:
    """Turn what MLflow, its database or the disk raise into one line for people."""

    @functools.wraps(method)
    def wrapped(self: Tracker, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            if type(error).__module__.split(".")[0] in ("mlflow", "sqlalchemy") or isinstance(error, OSError):
                raise TrackingError(f"{self.uri}: {_line(error)}") from error
            raise

    return wrapped


class Tracker:
    """A connection to an MLflow store.

    Parameters
    ----------
    home : Home
        Says which store, and where artifacts of new experiments go.

    Raises
    ------
    TrackingError
        When the store cannot be opened.
    """

    def __init__(self, home: Home) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # its default waits for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
        from mlflow import MlflowClient

        for name in ("mlflow", "alembic"):  # they print tracebacks of errors that are raised as well
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self.uri = home.tracking_uri
        self.home = home
        try:
            if self.uri.startswith("sqlite:///"):
                home.root.mkdir(parents=True, exist_ok=True)
                with FileLock(home.root / "mlflow.lock"):  # only one process may create or upgrade the tables
                    self.client = MlflowClient(self.uri)
                    self.client.search_experiments(max_results=1)
            else:
                self.client = MlflowClient(self.uri)
                self.client.search_experiments(max_results=1)
        except Exception as error:
            raise TrackingError(
                f"{self.uri}: this MLflow store cannot be opened ({_line(error)}); move the file away to start a new "
                "one, or name another with --home or MLFLOW_TRACKING_URI"
            ) from error
        self.parent: str | None = None
        self._experiment: str | None = None

    @told
    def experiment(self, ablation: str, *, create: bool = True) -> str | None:
        """Id of the ablation's experiment; one that was deleted in the UI comes back when it is run again."""
        found = self.client.get_experiment_by_name(ablation)
        if found is not None and found.lifecycle_stage == "deleted":
            if not create:
                return None
            self.client.restore_experiment(found.experiment_id)
        if found is not None:
            return found.experiment_id
        if not create:
            return None
        local = self.uri.startswith("sqlite")
        return self.client.create_experiment(
            ablation, artifact_location=self.home.artifacts.as_uri() + f"/{ablation}" if local else None
        )

    @told
    def experiments(self) -> list[str]:
        """Names of all experiments, those of other programs among them."""
        return [e.name for e in self.client.search_experiments() if e.name != "Default"]

    @told
    def close_stale(self) -> list[str]:
        """Set RUNNING runs whose driver on this host is dead to KILLED; returns the leases of those that live."""
        ids = [e.experiment_id for e in self.client.search_experiments()]
        alive = []
        for run in self._search(ids, "attributes.status = 'RUNNING'"):
            writer = run.data.tags.get(LEASE_TAG, "")
            if is_dead(writer):
                self.client.set_terminated(run.info.run_id, "KILLED")
            elif writer:
                alive.append(writer)
        return alive

    @told
    def start(self, ablation: str, tags: dict[str, str], spec: dict, cells: pd.DataFrame) -> str:
        """Open the parent run of this invocation; returns its id."""
        self._experiment = self.experiment(ablation)
        run = self.client.create_run(
            self._experiment,
            start_time=_now(),
            run_name=f"{ablation} {tags.get('harness.profile', '')} {time.strftime('%Y-%m-%d %H:%M:%S')}",
            tags={
                **tags,
                "harness.git_commit": git_commit(),
                LEASE_TAG: lease(),
                "mlflow.user": os.environ.get("USER", "unknown"),
                "mlflow.source.name": "python -m harness run",
            },
        )
        self.parent = run.info.run_id
        self._artifacts(self.parent, {"spec.yaml": _yaml(spec), "environment.json": _json(environment())})
        self.save_cells(cells)
        self.client.set_tag(self.parent, "harness.role", "invocation")  # last: what has it, has its artifacts
        return self.parent

    def save_cells(self, cells: pd.DataFrame) -> None:
        """Write the state of every cell beside the parent: what ``table`` reads."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / CELLS
            cells.to_parquet(path, index=False)
            self.client.log_artifact(self.parent, str(path))

    @told
    def children(self, ids: Iterable[str]) -> dict[str, str]:
        """Cell id to run id, of the cells that have a finished child in this experiment."""
        wanted = set(ids)
        runs = self._search(
            [self._experiment], "tags.`harness.role` = 'cell' and attributes.status = 'FINISHED'"
        )
        return {k: r.info.run_id for r in runs if (k := r.data.tags.get(CELL_TAG)) in wanted}

    def log_cell(
        self,
        name: str,
        *,
        status: str,
        config: dict,
        tags: dict[str, str],
        metrics: dict[str, float],
        histories: dict[str, list[dict]],
        files: list[Path],
        error: str | None = None,
        traceback: str | None = None,
    ) -> str:
        """Write one cell as a child run, whole and ended; returns its id.

        Parameters
        ----------
        status : str
            ``FINISHED`` or ``FAILED``.
        config : dict
            The resolved configuration; logged flat as params, and as ``config.yaml``.
        histories : dict
            Stage to the epoch records of its training; logged as curves ``<stage>/<name>``.
        files : list of Path
            Artifacts to copy: predictions, metrics, draws.
        """
        with self._child(name, "cell", tags, status, error) as run_id:
            self._numbers(run_id, config, metrics, histories)
            texts = {"config.yaml": _yaml(config), "environment.json": _json(environment())}
            if traceback:
                texts["traceback.txt"] = traceback
            self._artifacts(run_id, texts, files)
        return run_id

    def log_trial(self, name: str, *, tags: dict[str, str], trial: dict) -> str:
        """Write one trial of a search as a child run, whole and ended; returns its id.

        Parameters
        ----------
        tags : dict
            With ``harness.stage``, the search's key.
        trial : dict
            A record of :func:`harness.stages.search_study.run_study`: its settings become params, its score the metric
            ``objective``, its looks a curve ``looks/objective``.
        """
        status = "FAILED" if trial["state"] == "failed" else "FINISHED"
        said = {**tags, TRIAL_TAG: str(trial["number"]), "harness.state": trial["state"]}
        looks = [{"epoch": int(number), "objective": score} for number, score in trial["looks"].items()]
        with self._child(name, "trial", said, status, trial["error"]) as run_id:
            metrics = {"objective": trial["value"], "seconds": trial["seconds"]}
            self._numbers(run_id, trial["params"], metrics, {"looks": looks})
        return run_id

    def logged_trials(self) -> set[tuple[str, str]]:
        """Search key and number of the trials that have an ended child in this experiment."""
        runs = self._search([self._experiment], "tags.`harness.role` = 'trial' and attributes.status != 'KILLED'")
        return {(run.data.tags[STAGE_TAG], run.data.tags[TRIAL_TAG]) for run in runs}

    @contextmanager
    def _child(self, name: str, role: str, tags: dict[str, str], status: str, error: str | None) -> Iterator[str]:
        """A run below this invocation's: KILLED where the block fails, else ended with ``status``."""
        run = self.client.create_run(
            self._experiment,
            start_time=_now(),
            run_name=name,
            tags={
                **tags,
                "mlflow.parentRunId": self.parent,
                "harness.role": role,
                LEASE_TAG: lease(),
                **({"harness.error": error[:5000]} if error else {}),
            },
        )
        run_id = run.info.run_id
        try:
            yield run_id
        except BaseException:
            self.client.set_terminated(run_id, "KILLED")
            raise
        self.client.set_terminated(run_id, status)

    def _numbers(
        self, run_id: str, config: dict, metrics: dict[str, float], curves: dict[str, list[dict]]
    ) -> None:
        from mlflow.entities import Metric, Param

        now = _now()
        said = [Metric(metric_key(k), float(v), now, 0) for k, v in metrics.items() if _finite(v)]
        for name, record in ((name, record) for name, history in curves.items() for record in history):
            step = int(record["epoch"])
            said += [
                Metric(f"{name}/{metric_key(k)}", float(v), now, step)
                for k, v in record.items()
                if k != "epoch" and _finite(v)
            ]
        params = [Param(param_key(k), str(v)) for k, v in flatten(config).items()]
        parts = _parts(said, METRICS_AT_ONCE), _parts(params, PARAMS_AT_ONCE)
        for some, settings in zip_longest(*parts, fillvalue=()):
            self.client.log_batch(run_id, metrics=some, params=settings)

    def count(self, counts: dict[str, int]) -> None:
        """Log how many cells are done, failed and cached, on the parent."""
        for name, value in counts.items():
            self.client.log_metric(self.parent, f"cells/{name}", value)

    def end(self, status: str, cells: pd.DataFrame) -> None:
        """Close the parent run: ``FINISHED``, ``FAILED`` or ``KILLED``."""
        self.save_cells(cells)
        self.client.set_terminated(self.parent, status)

    @told
    def show_table(self, run_id: str, paths: Iterable[Path]) -> None:
        """Keep an invocation's table and figures beside it, and the table as the description that its page shows."""
        for path in paths:
            self.client.log_artifact(run_id, str(path), "figures" if path.parent.name == "figures" else "table")
            text = path.read_text() if path.suffix == ".md" else ""
            if 0 < len(text) <= LONGEST_TAG:
                self.client.set_tag(run_id, "mlflow.note.content", text)

    @told
    def invocations(self, ablation: str, profile: str | None = None) -> list[Any]:
        """Parent runs of an ablation, newest first."""
        experiment = self.experiment(ablation, create=False)
        if experiment is None:
            return []
        said = "tags.`harness.role` = 'invocation'"
        if profile:
            said += f" and tags.`harness.profile` = '{profile}'"
        return self._search([experiment], said, order="attributes.start_time DESC")

    @told
    def cells_of(self, run_id: str) -> pd.DataFrame:
        """The cells of an invocation, from its artifact."""
        return self._artifact(run_id, CELLS, pd.read_parquet)

    @told
    def spec_of(self, run_id: str) -> dict:
        """The resolved ablation of an invocation, from its artifact."""
        return self._artifact(run_id, "spec.yaml", read_spec)

    @told
    def file_of(self, run_id: str, name: str) -> Path:
        """A local path of one of a run's artifacts."""
        return Path(self.client.download_artifacts(run_id, name))

    def _artifact(self, run_id: str, name: str, read: Callable[[Path], Any]) -> Any:
        path = Path(self.client.download_artifacts(run_id, name))
        try:
            return read(path)
        except (ValueError, yaml.YAMLError) as error:  # pyarrow's errors are among them
            raise TrackingError(
                f"{name} of the MLflow run {run_id} is damaged ({_line(error)}): run its ablation again, or delete it"
            ) from error

    def use(self, ablation: str) -> None:
        """Look up children in this ablation's experiment."""
        self._experiment = self.experiment(ablation, create=False)

    def _search(self, experiments: list[str], query: str, order: str | None = None) -> list[Any]:
        runs, token = [], None
        while True:
            page = self.client.search_runs(
                experiments, query, max_results=1000, page_token=token, order_by=[order] if order else None
            )
            runs.extend(page)
            token = page.token
            if not token:
                return runs

    def _artifacts(self, run_id: str, texts: dict[str, str], files: Iterable[Path] = ()) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in texts.items():
                (Path(folder) / name).write_text(text)
            for path in files:
                os.symlink(path, Path(folder) / path.name)
            self.client.log_artifacts(run_id, folder)


def flatten(config: dict, prefix: str = "") -> dict[str, Any]:
    """Nested settings as dotted names; what is not set is left out."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{name}."))
        elif value is not None:
            flat[prefix + name] = value
    return flat


def _parts(items: list, size: int) -> list[list]:
    return [items[i : i + size] for i in range(0, len(items), size)]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _now() -> int:
    return int(time.time() * 1000)


def _yaml(value: dict) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def _json(value: dict) -> str:
    return json.dumps(value, indent=1, sort_keys=True)
