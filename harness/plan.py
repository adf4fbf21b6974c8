"""From cells to the stages that they share: a graph in which each node is keyed by its content."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from harness.config import CellConfig
from harness.expand import Cell
from harness.facts import Facts
from harness.keys import canonical, content_key
from harness.stages import ORDER, STAGES, BaselineStage, Node, Stage
from harness.stages.images import over_limit
from harness.stages.search import kind_of_one
from harness.store import Store
from harness.wording import level_name

BASELINES = ("metadata", "text", "majority")


@dataclass(frozen=True)
class PlannedCell:
    """A cell and the keys of the stages that it stands on.

    Attributes
    ----------
    cell : Cell
        Of a no-image baseline: any of those that it stands under, its coordinates those alone that it depends on.
    stages : dict
        Stage name to key, ``evaluate`` last.
    baseline : str or None
        Name of the no-image baseline, where the row is one.
    """

    cell: Cell
    stages: dict[str, str]
    baseline: str | None = None

    @property
    def key(self) -> str:
        """Key of the cell's ``evaluate`` stage: the cell's content key."""
        return self.stages["evaluate"]

    @property
    def name(self) -> str:
        """One line for people: the coordinates."""
        said = [f"baseline={self.baseline}"] if self.baseline else []
        place = self.cell.coordinates
        return " ".join([*said, *(f"{level_name(path, list(place))}={value}" for path, value in place.items())])


@dataclass
class Plan:
    """Everything that a run will do.

    Attributes
    ----------
    nodes : dict
        Key to stage, inputs before those that need them.
    cells : list of PlannedCell
        The grid, in its own order.
    baselines : list of PlannedCell
        The rows below every table that need no image.
    release : str
        Whether what is trained may be released: yes, no, or check its licence; the strictest of all data sets.
    missing : dict
        Data sets that cannot be read here, each with a line that says why.
    fetched : dict
        Models that have to come from the hub, each with the setting that asks for it.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    cells: list[PlannedCell] = field(default_factory=list)
    baselines: list[PlannedCell] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    fetched: dict[str, str] = field(default_factory=dict)
    simulated: bool = False
    release: str = ""
    fingerprints: dict[str, str] = field(default_factory=dict)

    def cached(self, store: Store) -> set[str]:
        """Keys of the stages that are in the store."""
        return {key for key, node in self.nodes.items() if store.has(node.stage, key)}

    def over_limit(self, store: Store) -> list[str]:
        """What is wrong with finished image stores: more of their images are bad than this run allows."""
        nodes = [node for node in self.nodes.values() if node.stage == "images"]
        cards = {node.key: store.card("images", node.key) for node in nodes}
        return [why for node in nodes if (card := cards[node.key]) and (why := over_limit(node, card.summary))]

    def needed(self, store: Store) -> list[Node]:
        """Stages to run: those that an unfinished cell stands on and that are not in the store."""
        cached = self.cached(store)
        wanted: set[str] = set()
        front = [c.key for c in (*self.cells, *self.baselines) if c.key not in cached]
        while front:
            key = front.pop()
            if key in wanted or key in cached:
                continue
            wanted.add(key)
            front.extend(self.nodes[key].inputs.values())
        return [node for key, node in self.nodes.items() if key in wanted]


def build_plan(cells: list[Cell], facts: Facts | None = None) -> Plan:
    """Work out every stage of every cell.

    Parameters
    ----------
    cells : list of Cell
        From :func:`harness.expand.expand`.
    facts : Facts, optional
        What is known of the outside world.

    Returns
    -------
    Plan
        Works without the data: fingerprints are then ``missing:<data set>`` and ``Plan.missing`` says why.
    """
    facts = facts or Facts()
    plan = Plan(missing=facts.missing, fetched=facts.fetched)
    maker = _NodeMaker(facts, plan.nodes)
    below: dict[str, list[PlannedCell]] = {name: [] for name in BASELINES}
    for cell in cells:
        stages = maker.chain(cell.config, STAGES["evaluate"])
        shared = {name: stages[name] for name in ("dataset", "images") if name in stages}
        plan.cells.append(PlannedCell(cell, stages))
        facts.want_weights(cell.config.method.model_dump())
        plan.simulated |= facts.simulated(cell.config)
        plan.fingerprints[cell.config.data.name] = facts.fingerprint(cell.config.data)
        for name, rows in below.items() if facts.has_label(cell.config.eval.task) else ():
            known = dict(shared)
            if name == "text":
                if "reports" not in stages:  # a method that reads none
                    continue
                known["reports"] = stages["reports"]
            rows.append(PlannedCell(cell, maker.chain(cell.config, BaselineStage(name), known), baseline=name))
    plan.release = facts.release({cell.config.data.name for cell in cells})
    plan.baselines = [row for rows in below.values() for row in _distinct(rows)]
    plan.nodes = dict(sorted(plan.nodes.items(), key=lambda item: ORDER[item[1].stage]))
    return plan


def plan_stage(config: CellConfig, stage: str, facts: Facts) -> list[Node]:
    """One stage of one cell and everything below it, inputs first."""
    nodes: dict[str, Node] = {}
    _NodeMaker(facts, nodes).chain(config, STAGES[stage])
    return sorted(nodes.values(), key=lambda node: ORDER[node.stage])


def _distinct(rows: list[PlannedCell]) -> list[PlannedCell]:
    """One row a key, with the coordinates that it takes to tell the keys apart; task and seed always stay."""
    kept = list(rows[0].cell.coordinates) if rows else []
    for name in list(kept):
        fewer = [c for c in kept if c != name]
        if name not in ("task", "seed") and _tells_apart(rows, fewer):
            kept = fewer
    first: dict[str, PlannedCell] = {}
    for row in rows:
        first.setdefault(row.key, row)
    return [
        replace(row, cell=replace(row.cell, coordinates={c: row.cell.coordinates[c] for c in kept}))
        for row in first.values()
    ]


def _tells_apart(rows: list[PlannedCell], coordinates: list[str]) -> bool:
    """Whether equal values of some coordinates always mean the same key."""
    keys: dict[str, str] = {}
    places = (canonical([row.cell.coordinates[c] for c in coordinates]) for row in rows)
    return all(keys.setdefault(place, row.key) == row.key for place, row in zip(places, rows))


class _NodeMaker:
    """Makes nodes; remembers what sections of the configuration it has already turned into one."""

    def __init__(self, facts: Facts, nodes: dict[str, Node]) -> None:
        self._facts = facts
        self._nodes = nodes
        self._keys: dict[tuple[str, str], str] = {}

    def chain(
        self, config: CellConfig, last: Stage, known: dict[str, str] | None = None
    ) -> dict[str, str]:
        """Keys of ``last`` and of everything below it, by stage name; those in ``known`` are taken as they are."""
        keys = dict(known or {})
        self._make(config, last, keys)
        return keys

    def _make(self, config: CellConfig, stage: Stage, keys: dict[str, str]) -> str:
        inputs = {}
        for name in stage.inputs(config, self._facts):
            inputs[name] = keys.get(name) or self._make(config, STAGES[name], keys)
        said = stage.config(config, self._facts)
        memo = (stage.name, canonical([said, inputs]))
        key = self._keys.get(memo)
        if key is None:
            key = content_key(stage=stage.name, version=stage.version, config=said, inputs=inputs)
            self._keys[memo] = key
            self._nodes[key] = Node(
                stage=stage.name,
                key=key,
                version=stage.version,
                config=said,
                inputs=inputs,
                kind=stage.kind(config, self._facts),
                resources=stage_resources(config, stage.name),
                runtime=stage.runtime(config),
            )
        keys[stage.name] = key
        return key


def stage_resources(config: CellConfig, stage: str) -> dict[str, float]:
    """``cpu``, ``gpu`` and ``memory_gib`` of a stage, from the ``resources`` section.

    A search is given what a training is given on one machine, and one process's GPU: a trial is trained by one.
    """
    said = getattr(config.resources, "pretrain" if stage == "search" else stage)
    if stage == "search":
        train = config.train
        share = {"cpu": said.cpu / train.nodes, "memory_gib": said.memory_gib / train.nodes}
        said = said.model_copy(update={**share, "gpu": said.gpu / train.processes})
    return {k: v for k, v in said.model_dump().items() if v}


def estimates(store: Store, nodes: list[Node]) -> dict[str, float]:
    """Seconds that each kind of stage took, as the median over past runs in this store [s].

    A search of a kind that never ran is taken for as many trainings as it has trials.
    """
    searches = {node.kind: node.config["search"]["trials"] for node in nodes if node.stage == "search"}
    kinds = {node.kind for node in nodes} | {kind_of_one(kind) for kind in searches}
    past: dict[str, list[float]] = {}
    for card in store.cards():
        if card.kind in kinds:
            past.setdefault(card.kind, []).append(card.seconds)
    found = {kind: median(seconds) for kind, seconds in past.items()}
    for kind, trials in searches.items():
        if kind not in found and (one := found.get(kind_of_one(kind))):
            found[kind] = trials * one
    return found


def wall_clock(nodes: list[Node], seconds: dict[str, float], capacity: dict[str, float]) -> float | None:
    """Lower bound of the time a run will take on a cluster [s]; None when a kind is unknown.

    The longest chain of stages, or the work that each resource has to do over its amount, whichever is more.
    """
    if any(node.kind not in seconds for node in nodes):
        return None
    ends: dict[str, float] = {}
    for node in nodes:
        ends[node.key] = (
            max((ends.get(k, 0.0) for k in node.inputs.values()), default=0.0) + seconds[node.kind]
        )
    bounds = [max(ends.values(), default=0.0)]
    for name, amount in capacity.items():
        work = sum(seconds[node.kind] * node.resources.get(name, 0) for node in nodes)
        if amount:
            bounds.append(work / amount)
    return max(bounds)


def unplaceable(nodes: list[Node], machines: list[dict[str, float]]) -> dict[str, str]:
    """Stages that no machine of the cluster can ever hold, each with the reason.

    Parameters
    ----------
    machines : list of dict
        ``cpu``, ``gpu`` and ``memory_gib`` of each machine.
    """
    reasons: dict[str, str] = {}
    for node in nodes:
        count = node.runtime.get("nodes", 1)
        each = {k: v / count for k, v in node.resources.items()}
        able = sum(all(m.get(k, 0) >= v for k, v in each.items()) for m in machines)
        if able < count:
            wants = ", ".join(f"{v:g} {k}" for k, v in each.items())
            best = {k: max((m.get(k, 0) for m in machines), default=0) for k in each}
            has = f"the largest machine has {', '.join(f'{v:g} {k}' for k, v in best.items())}"
            if count > 1:
                wants, has = f"{count} machines with {wants} each", f"there are {able} such"
            reasons[node.key] = f"{node.stage} wants {wants}; {has}"
    return reasons


def summary(plan: Plan, store: Store) -> list[dict[str, Any]]:
    """One row a stage name: how many nodes, how many cached, kinds and resources."""
    cached = plan.cached(store)
    rows = []
    for name in STAGES:
        nodes = [n for n in plan.nodes.values() if n.stage == name]
        if nodes:
            rows.append(
                {
                    "stage": name,
                    "nodes": nodes,
                    "cached": sum(n.key in cached for n in nodes),
                    "resources": nodes[0].resources,
                }
            )
    return rows


def total_time(nodes: list[Node], seconds: dict[str, float]) -> float | None:
    """Stage time in all [s]; None when a kind is unknown."""
    if any(node.kind not in seconds for node in nodes):
        return None
    return sum(seconds[node.kind] for node in nodes)
