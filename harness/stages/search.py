"""Stage ``search``: trials of an arm's settings, scored on validation patients; the best go to its pretraining."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING

from harness.layers import put
from harness.stages.base import Context, Stage
from harness.stages.pretrain import PretrainStage, training_inputs

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts

BEST, TRIALS = "best.json", "trials.json"


class SearchStage(Stage):
    """Reads what stage ``pretrain`` reads but the settings that it searches, the representation, and ``search``.

    One node an arm: seeds share it, as its trials are trained with ``search.seed``. Only where a method is trained on
    a share of the labels, which the seed draws, each seed has its own, so that none uses labels granted to another.
    """

    name = "search"

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        from harness.search_space import resolved, validation_share

        search = cell.search
        own_seed = "labels" in facts.uses(cell.method.name) and cell.eval.fraction < 1
        if not own_seed:
            cell = cell.model_copy(update={"seed": search.seed})
        config = PretrainStage().config(cell, facts)
        config["split"]["val_fraction"] = validation_share(cell)
        config["training_version"] = PretrainStage.version
        space = resolved(cell)
        for path in space:
            section, _, rest = path.partition(".")
            _remove(config[section], rest.split("."))
        said = search.model_dump(mode="json", include={"trials", "sampler", "pruner", "startup", "seed"})
        if search.pruner != "none":
            said["every"] = search.every
        tasks = [cell.eval.task] if "labels" in config else search.tasks
        config["search"] = {**said, "tasks": tasks, "space": space, "representation": cell.eval.representation}
        return config

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return training_inputs(cell, facts)

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{PretrainStage().kind(cell, facts)} × {cell.search.trials} trials"

    def runtime(self, cell: CellConfig) -> dict:
        from harness.search_space import read_paths

        read = read_paths(cell)
        unread = [path for path in cell.search.space if path not in read]
        alone = cell.model_copy(update={"train": cell.train.model_copy(update={"nodes": 1})})
        return {**PretrainStage().runtime(alone), "unread": unread}

    def run(self, context: Context) -> dict:
        from harness.stages.search_run import search

        return search(context)


def kind_of_one(kind: str) -> str:
    """The kind of a pretraining that a search's trials cost about as much as."""
    return kind.rpartition(" × ")[0]


def with_settings(config: dict, settings: dict) -> dict:
    """A copy of a stage's slice in which dotted paths are set."""
    changed = copy.deepcopy(config)
    for path, value in settings.items():
        put(changed, path, value)
    return changed


def apply_best(config: dict, folder: Path) -> dict:
    """A pretraining's slice with the settings that a finished search in ``folder`` has found."""
    return with_settings(config, json.loads((folder / BEST).read_text())["settings"])


def _remove(section: dict, path: list[str]) -> None:
    """Drop a setting, where it is said."""
    for part in path[:-1]:
        section = section.get(part, {})
    section.pop(path[-1], None)
