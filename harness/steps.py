"""Progress of one long piece of work with items: rate and time left, as a bar or as a line now and then."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from harness.progress import clock

if TYPE_CHECKING:
    from rich.console import Console

LINE_EVERY_S = 15.0


class Steps:
    """A context in which items are done.

    Parameters
    ----------
    what : str
        The work: ``images``.
    items : str
        What is counted: ``exams``.
    """

    def __init__(self, console: Console, what: str, items: str) -> None:
        self._console, self._what = console, what
        self._pace = _Pace(items)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), self._pace)
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task(what, total=None)
        self._said_at = time.monotonic()

    def __enter__(self) -> Steps:
        if self._console.is_terminal:
            self._bar.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._console.is_terminal:
            self._bar.__exit__(kind, error, trace)

    def report(self, said: dict) -> None:
        """Take what a stage says: ``items`` done of ``of_items``."""
        if "of_items" not in said:
            return
        self._pace.at(said["items"])
        self._bar.update(self._task, completed=said["items"], total=said["of_items"])
        if not self._console.is_terminal and time.monotonic() - self._said_at > LINE_EVERY_S:
            self._said_at = time.monotonic()
            pace = self._pace.text(said["of_items"])
            self._console.print(f"{self._what} {said['items']:,}/{said['of_items']:,} {pace}", soft_wrap=True)


class _Pace(ProgressColumn):
    """Items a second since this call began (what an earlier one had done does not count), and the time left."""

    def __init__(self, items: str) -> None:
        super().__init__()
        self._items = items
        self._first: tuple[float, int] | None = None
        self._done = 0

    def at(self, done: int) -> None:
        self._done = done
        if self._first is None:
            self._first = (time.monotonic(), done)

    def text(self, total: float) -> str:
        seconds = time.monotonic() - self._first[0] if self._first else 0.0
        if seconds < 1 or self._done <= self._first[1]:
            return ""
        rate = (self._done - self._first[1]) / seconds
        return f"{rate:.1f} {self._items}/s, {clock((total - self._done) / rate)} left"

    def render(self, task: Task) -> Text:
        """The column's text."""
        return Text(self.text(task.total or 0), style="dim")
