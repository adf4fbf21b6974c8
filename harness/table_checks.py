"""Whether an ablation's table can be made of its cells: known before the first of them is trained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.errors import Problem
from harness.keys import canonical
from harness.spec import TableConfig
from harness.wording import LEVELS, METRICS
from harness.yaml_source import Where
from mvmlm.registry import did_you_mean


def axis_problems(table: TableConfig, where: Where, known: Sequence[str]) -> list[Problem]:
    """Rows and columns that are no axis, or there twice.

    Parameters
    ----------
    where : Where
        Of the ``table`` section.
    known : sequence of str
        Axes, ``task``, ``protocol`` and ``seed``.
    """
    problems, seen = [], set()
    for side in ("rows", "columns"):
        for i, name in enumerate(getattr(table, side)):
            place = where.inside(side, i)
            if name not in known:
                problems.append(place.problem(f"table.{side}", _no_axis(name, known)))
            elif name in seen:
                problems.append(place.problem(f"table.{side}", f"{name!r} is in the table twice"))
            seen.add(name)
    return problems


def reference_problems(
    reference: Mapping[str, Any], where: Where, values: Mapping[str, Sequence[Any] | None]
) -> list[Problem]:
    """Parts of the reference that are no axis, or no value of one.

    Parameters
    ----------
    where : Where
        Of the reference itself.
    values : mapping
        Coordinate to its values; None where any will do, because an override changed them.
    """
    problems, key = [], ".".join(where.path)
    for name, value in reference.items():
        place = where.inside(name)
        if name not in values:
            problems.append(place.problem(key, _no_axis(name, list(values))))
        elif values[name] is not None and not any(_same(value, v) for v in values[name]):
            has = ", ".join(str(v) for v in values[name])
            near = did_you_mean(str(value), [str(v) for v in values[name]]) if isinstance(value, str) else ""
            problems.append(place.problem(key, f"{name} is never {value!r}{near} (it is: {has})"))
    return problems


def metric_problems(table: TableConfig, where: Where) -> list[Problem]:
    """A metric that there is not, one without its level, or one that the test which is asked for knows nothing of."""
    name, _, level = table.metric.partition("@")
    if level not in LEVELS:
        what = f"{table.metric!r} does not say its level; write {name or 'auc'}@breast (levels: {', '.join(LEVELS)})"
    elif name not in METRICS:
        known = dict.fromkeys(re.sub(r"year\d+$", "year<k>", metric) for metric in METRICS)
        what = f"there is no metric {name!r}{did_you_mean(name, METRICS)} (known: {', '.join(known)})"
    elif table.compare.test == "delong" and name != "auc":
        what = f"DeLong's test is of AUCs, and the metric is {table.metric}; take auto or bootstrap"
        return [where.inside("compare", "test").problem("table.compare.test", what)]
    else:
        return []
    return [where.inside("metric").problem("table.metric", what)]


def task_metric_problems(
    table: TableConfig, where: Where, tasks: Sequence[str], protocols: Sequence[str]
) -> list[Problem]:
    """Tasks with labels whose cells will not have the metric: a table shows one, and these would be empty.

    Tasks of other kinds, and metrics that are theirs, are left alone.
    """
    from mvmlm.evaluation.panel import METRICS as BY_KIND
    from mvmlm.evaluation.tasks import TASKS

    name, _, level = table.metric.partition("@")
    if not any(name in known for known in BY_KIND.values()):
        return []
    problems = []
    for task in (TASKS.get(one) for one in tasks if one in TASKS):
        known = BY_KIND.get(task.kind)
        levels = (*(["view"] if "zero_shot" in protocols else []), *task.levels)
        if known and name not in known:
            what = f"task {task.name} has no {name}, and a table shows one metric; give it an ablation of its own, "
            what += f"with {known[0]}@{task.level} (it has: {', '.join(known)})"
        elif known and level not in levels:
            what = f"task {task.name} is not judged at level {level}; write {name}@{task.level} (it is at: "
            what += f"{', '.join(levels)})"
        else:
            continue
        problems.append(where.inside("metric").problem("table.metric", what))
    return problems


def beside_problems(table: TableConfig, where: Where, stages: Sequence[str]) -> list[Problem]:
    """Side columns that are no measure of a stage, or there twice; what a stage measures is known once it has run.

    Parameters
    ----------
    where : Where
        Of the ``table`` section.
    stages : sequence of str
        All that there are.
    """
    problems, seen = [], set()
    for i, name in enumerate(table.beside):
        stage, _, bare = name.partition("/")
        if not (stage and bare) or "/" in bare:
            what = f"{name!r} is no measure; write stage/name, such as reports/hallucinated"
        elif stage not in stages:
            what = f"{name!r}: there is no stage {stage!r}{did_you_mean(stage, stages)} (stages: {', '.join(stages)})"
        elif name in seen:
            what = f"{name!r} is there twice"
        else:
            what = ""
        seen.add(name)
        if what:
            problems.append(where.inside("beside", i).problem("table.beside", what))
    return problems


def unmatched(reference: Mapping[str, Any], cells: Iterable[Mapping[str, Any]]) -> bool:
    """Whether no cell is the reference."""
    return not any(all(_same(v, cell.get(k)) for k, v in reference.items()) for cell in cells)


def averaged_over(table: TableConfig, cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Coordinates, other than the seed, over which an entry of the table would average."""
    named = (*table.rows, *table.columns)
    entries: dict[str, dict[str, Any]] = {}
    found: dict[str, None] = {}
    for cell in cells:
        first = entries.setdefault(canonical([cell.get(name) for name in named]), dict(cell))
        if first != cell:
            found.update(dict.fromkeys(k for k in cell if cell[k] != first[k]))
    return [name for name in found if name != "seed" and name not in named]


def _no_axis(name: str, known: Sequence[str]) -> str:
    return f"{name!r} is no axis of this ablation{did_you_mean(name, known)} (it has: {', '.join(known)})"


def _same(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)
