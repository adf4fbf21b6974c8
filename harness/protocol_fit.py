"""Which protocol evaluates what: tasks of its kind, methods that have what it compares, settings that it can read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.stages.text_features import PROMPTED, RETRIEVED, compares_texts
from mvmlm.errors import ConfigError

if TYPE_CHECKING:
    from harness.config import CellConfig

KINDS = {RETRIEVED: "report", "risk": "risk"}
"""Protocols that evaluate one kind of task alone, and are alone in that; all others evaluate what has classes."""


def evaluates(protocol: str, task: str) -> bool:
    """Whether a protocol and a task go together; a grid has no cell of those that do not."""
    from mvmlm.evaluation.tasks import TASKS

    kind = TASKS.get(task).kind
    return KINDS[protocol] == kind if protocol in KINDS else kind not in KINDS.values()


def without_partner(protocols: Sequence[str], tasks: Sequence[str]) -> list[tuple[str, int, str]]:
    """Listed protocols and tasks that go with none of the other list: (list, place in it, what is wrong)."""
    from mvmlm.evaluation.protocols import PROTOCOLS
    from mvmlm.evaluation.tasks import TASKS

    found = []
    for i, protocol in enumerate(protocols):
        if not any(evaluates(protocol, task) for task in tasks):
            able = ", ".join(task for task in TASKS if evaluates(protocol, task)) or "none that there is"
            found.append(("protocols", i, f"{protocol} evaluates none of the tasks listed (it evaluates: {able})"))
    for i, task in enumerate(tasks):
        if not any(evaluates(protocol, task) for protocol in protocols):
            able = ", ".join(protocol for protocol in PROTOCOLS if evaluates(protocol, task)) or "none that there is"
            found.append(("tasks", i, f"{task} is evaluated by none of the protocols listed (it is by: {able})"))
    return found


def protocol_reads(config: CellConfig) -> tuple:
    """What `protocol_problem` depends on."""
    said = config.eval
    return said.protocol, said.task, said.representation, said.zero_shot.prompts, config.method.name


def protocol_problem(config: CellConfig) -> str:
    """Why a cell's protocol cannot evaluate it; empty where it can."""
    if not compares_texts(config):
        return ""
    from mvmlm.evaluation.prompts import prompts_of
    from mvmlm.methods import METHODS

    protocol, name = config.eval.protocol, config.method.name
    if not _reads_reports(name):
        able = ", ".join(known for known in METHODS if _reads_reports(known))
        return f"{protocol} needs a method that reads reports, and {name} reads none (these do: {able})"
    if config.eval.representation != "embedding":
        said = f"eval.representation is {config.eval.representation}"
        return f"{protocol} compares images with texts where both have an embedding, and {said}; set it to embedding"
    if protocol == PROMPTED:
        try:
            prompts_of(config.eval.task, config.eval.zero_shot.prompts)
        except ConfigError as error:
            return str(error)
    return ""


def _reads_reports(method: str) -> bool:
    from mvmlm.methods import METHODS

    kind = METHODS.get(method)
    return "text" in kind.uses and hasattr(kind, "encode_text")

