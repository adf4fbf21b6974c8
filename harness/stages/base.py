"""What a stage is: its name, the settings it reads, its inputs, and the work itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts


@dataclass(frozen=True)
class Node:
    """One stage of a plan, resolved: plain data that travels to a worker.

    Attributes
    ----------
    config : dict
        The slice of the configuration that the stage reads; with ``inputs`` it makes the key.
    inputs : dict
        Stage name to key.
    kind : str
        Stages of one kind cost about the same; time estimates go by it.
    resources : dict
        ``cpu``, ``gpu`` and ``memory_gib`` that the stage is scheduled with; never part of the key.
    runtime : dict
        What the worker needs to know of this machine, such as the data root; never part of the key.
    """

    stage: str
    key: str
    version: int
    config: dict
    inputs: dict[str, str]
    kind: str
    resources: dict
    runtime: dict

    @property
    def name(self) -> str:
        """``stage-key``: the trial's name, and the log file's."""
        return f"{self.stage}-{self.key}"

    def to_dict(self) -> dict:
        """Plain JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Context:
    """What a running stage is given.

    Attributes
    ----------
    inputs : dict
        Stage name to the folder of its published output.
    out : Path
        An empty folder to fill.
    work : Path
        A folder that outlives a killed run: checkpoints go here.
    threads : int
        Processes or threads that this stage may use.
    report : callable
        Takes a dict of numbers and short strings; shows as progress, and as curves where ``epoch`` is given.
    cache : Path, optional
        A folder that all stages share and that outlives them: what a language model answered.
    together : callable, optional
        Runs work in several processes, as `mvmlm.distributed.run_processes` does, where they are on several machines.
    """

    config: dict
    inputs: dict[str, Path]
    out: Path
    work: Path
    runtime: dict
    threads: int
    report: Callable[[dict], None]
    cache: Path | None = None
    together: Callable[..., Any] | None = None

    def progress(self, done: int, total: int) -> None:
        """Report ``done`` of ``total`` items."""
        self.report({"items": done, "of_items": total})


class Stage(ABC):
    """One kind of cached work. Subclasses are stateless.

    Attributes
    ----------
    version : int
        Raised when the code changes what the stage puts out for the same settings.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1

    @abstractmethod
    def config(self, cell: CellConfig, facts: Facts) -> dict:
        """The slice of the configuration that this stage reads, and no more."""

    @abstractmethod
    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        """Names of the stages whose outputs it reads."""

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        """Name for stages that cost about the same: of one data set at one image size, to begin with."""
        data = f"{cell.data.name}:{facts.fingerprint(cell.data)[:6]}"
        return f"{self.name} {data} {cell.images.height}×{cell.images.width}"

    def runtime(self, cell: CellConfig) -> dict[str, Any]:
        """What the worker needs that is not part of the key."""
        return {}

    @abstractmethod
    def run(self, context: Context) -> dict:
        """Do the work into ``context.out``; returns the card's summary.

        ``notes`` in it, a list of sentences, is what whoever reads a result that stands on this stage must know:
        they are printed when the stage ends and stand under every such table.
        """
