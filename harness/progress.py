"""Progress of a run: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.stages import Node
from harness.state import ENDED, RunState, StageState

WORDS = (("done", "done"), ("cached", "cached"), ("running", "running"), ("waiting", "waiting"))
LINE_EVERY_S = 15.0


class Progress:
    """Shows a run; used as a context manager.

    Parameters
    ----------
    console : rich.console.Console
    state : RunState
    capacity : dict
        What the cluster has, for the estimate of the time left.
    """

    def __init__(self, console: Console, state: RunState, capacity: dict[str, float]) -> None:
        self.console = console
        self.state = state
        self.capacity = capacity
        self._live = (
            Live(self, console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        )
        self._said_at = 0.0
        self._noted: set[str] = set()

    def __enter__(self) -> Progress:
        if self._live:
            self._live.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.__exit__(kind, error, trace)

    def ended(self, node: Node, notes: Sequence[str] = ()) -> None:
        """Tell of a stage that has ended: failures and notes always, others where there is no live panel."""
        stage = self.state.stages[node.key]
        if stage.status in ("failed", "unplaceable"):
            self.console.print(
                Text.assemble((f"{stage.status} ", "bold red"), f"{title(node)}: {stage.error}"), soft_wrap=True
            )
            if stage.log:
                self.console.print(Text(f"       traceback in {stage.log}", style="dim"), soft_wrap=True)
        elif not self._live and stage.status == "done":
            self._line(f"{title(node)} {stage.seconds:.1f} s")
        for note in notes:
            if note not in self._noted:
                self._noted.add(note)
                self.console.print(Text.assemble(("note ", "yellow"), note), soft_wrap=True)

    def reported(self, node: Node) -> None:
        """Tell of a running stage, at most every 15 seconds, where there is no live panel."""
        if not self._live and time.monotonic() - self._said_at > LINE_EVERY_S:
            stage = self.state.stages[node.key]
            self._line(f"{title(node)} {_how_far(stage)}".rstrip())

    def _line(self, text: str) -> None:
        self._said_at = time.monotonic()
        self.console.print(Text(f"[{self._counts_text()}] {text}"), soft_wrap=True)

    def _counts_text(self) -> str:
        counts = self.state.counts()
        failed = sum(counts[s] for s in ("failed", "upstream", "unplaceable"))
        left = self._left_text()
        said = [f"{counts[k]} {word}" for k, word in WORDS if counts[k]] + (
            [f"{failed} failed"] if failed else []
        )
        return ", ".join(said) + (f"; {left}" if left else "")

    def _left_text(self) -> str:
        left = self.state.seconds_left(self.capacity)
        if left is None:
            return "time left unknown"
        seconds, whole = left
        return f"{'about' if whole else 'at least'} {clock(seconds)} left"

    def __rich__(self) -> Group:
        counts = self.state.counts()
        cells = len(self.state.plan.cells)
        ended = sum(counts[s] for s in ENDED)
        failed = sum(counts[s] for s in ("failed", "upstream", "unplaceable"))
        head = Table.grid(padding=(0, 1))
        head.add_row(
            Text("cells", style="bold"),
            ProgressBar(total=max(1, cells), completed=ended, width=24),
            Text.assemble(
                (f"{counts['done']} done", "green"),
                "  ",
                (f"{counts['running']} running", "cyan"),
                "  ",
                (f"{failed} failed", "red" if failed else "dim"),
                "  ",
                (f"{counts['cached']} cached", "dim"),
                f"  of {cells}",
            ),
        )
        rows = Table.grid(padding=(0, 1))
        for stage in self.state.running()[:12]:
            rows.add_row(
                Text("  ▸", style="cyan"),
                Text(title(stage.node), no_wrap=True, overflow="ellipsis"),
                Text(clock(time.monotonic() - stage.started), style="dim"),
                Text(_how_far(stage), style="dim", no_wrap=True),
            )
        spent = clock(time.monotonic() - self.state.began)
        return Group(head, rows, Text(f"{spent} so far, {self._left_text()}", style="dim"))


def title(node: Node) -> str:
    """A stage for people: its name, what sets it apart, and the first digits of its key."""
    config = node.config
    if node.stage == "pretrain":
        said = [config["method"]["name"], config["method"].get("encoder"), f"seed {config['seed']}"]
        if config["method"].get("tokens"):
            said.insert(2, f"{config['method']['tokens']} tokens")
    elif node.stage == "search":
        said = [config["method"]["name"], config["method"].get("encoder"), f"{config['search']['trials']} trials"]
    elif node.stage == "evaluate":
        what = config.get("baseline") or config["eval"]["protocol"]
        said = [
            what,
            config["eval"]["task"],
            *([f"{100 * config['eval']['fraction']:g} %", f"seed {config['seed']}"] if "seed" in config else []),
        ]
    elif node.stage == "finetune":
        said = [config["task"], f"{100 * config['fraction']:g} %", f"seed {config['seed']}"]
    elif node.stage == "text_features":
        said = ["prompts" if "prompts" in config else "test reports"]
    elif node.stage == "reports":
        said = [config["reports"]["source"]]
    elif "data" in config:
        said = [config["data"]]
    else:
        said = []
    return " ".join([node.stage, *(s for s in said if s), f"({node.key[:6]})"])


def _how_far(stage: StageState) -> str:
    said = stage.said
    if "epoch" in said:
        parts = [f"epoch {said['epoch']}" + (f"/{said['epochs']}" if "epochs" in said else "")]
        parts += [f"loss {said['loss']:.3f}"] if "loss" in said else []
        return ", ".join(parts)
    if "trial" in said:
        best = f", best {said['best']:.3f}" if "best" in said else ""
        return f"trial {said['trial']}/{said['trials']}{best}"
    return f"{said['items']}/{said['of_items']}" if "of_items" in said else ""


def clock(seconds: float) -> str:
    """``42 s``, ``3:07 min`` or ``2:15 h``."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60}:{seconds % 60:02d} min"
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d} h"
