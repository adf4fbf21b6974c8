"""Run one stage into the store, wherever this process is: on a Ray worker or in the command itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.environment import code_digest
from harness.home import Home
from harness.stages import STAGES, BaselineStage, Context, Node
from harness.store import Store

if TYPE_CHECKING:
    from rich.console import Console


def publish_stage(
    node: dict,
    home: Home,
    git_commit: str,
    report: Callable[[dict], None],
    together: Callable[..., Any] | None = None,
) -> bool:
    """Do a stage's work, going on from what an interrupted run left.

    Parameters
    ----------
    node : dict
        A :class:`~harness.stages.Node` as plain data.
    report : callable
        Takes what the stage says of its progress.
    together : callable, optional
        As `harness.stages.Context` has it.

    Returns
    -------
    bool
        False when somebody else had published it meanwhile.
    """
    store = Store(home.store)
    stage = (
        BaselineStage(node["config"]["baseline"]) if "baseline" in node["config"] else STAGES[node["stage"]]
    )

    def produce(out: Path) -> dict:
        work = home.work / node["key"]
        work.mkdir(parents=True, exist_ok=True)
        context = Context(
            config=node["config"],
            inputs={name: store.path(name, key) for name, key in node["inputs"].items()},
            out=out,
            work=work,
            cache=home.answers,
            runtime=node["runtime"],
            threads=max(1, int(node["resources"].get("cpu", 1))),
            report=report,
            together=together,
        )
        return stage.run(context)

    worked = store.publish(node, produce, git_commit=git_commit, code=code_digest())
    shutil.rmtree(home.work / node["key"], ignore_errors=True)
    return worked


def publish_here(node: Node, home: Home, console: Console) -> None:
    """Do a stage's work in this very process, with its progress, unless it is in the store."""
    from harness.environment import git_commit
    from harness.steps import Steps

    if Store(home.store).has(node.stage, node.key):
        console.print(f"{node.stage}: done before", style="dim")
        return
    what = "images" if node.stage == "images" else "exams"
    with Steps(console, node.stage, what) as steps:
        publish_stage(node.to_dict(), home, git_commit(), steps.report)
