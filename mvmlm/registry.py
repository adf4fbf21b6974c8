"""One registry for everything that can be added: methods, data sets, report sources, tasks, protocols."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from mvmlm.errors import ConfigError

T = TypeVar("T")


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """`"; did you mean 'x'?"`, or an empty string when no choice is near."""
    near = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


class Registry(Generic[T]):
    """Names to things, filled by a decorator in the file that defines the thing.

    Parameters
    ----------
    kind : str
        What it holds, in the singular, for messages: ``"method"``.
    packages : tuple of str
        Packages whose modules are all imported on the first look-up, so that adding one is adding a file.
    entry_points : str, optional
        Entry-point group through which other people's packages add theirs.
    """

    def __init__(self, kind: str, packages: tuple[str, ...] = (), entry_points: str | None = None) -> None:
        self.kind = kind
        self._packages = packages
        self._group = entry_points
        self._items: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds a class or function under ``name``; a second, different one is an error."""

        def add(item: T) -> T:
            held = self._items.get(name)
            if held is not None and _place(held) != _place(item):
                raise ConfigError(
                    f"{self.kind} {name!r} is registered twice: {_place(held)} and {_place(item)}"
                )
            self._items[name] = item
            return item

        return add

    def get(self, name: str) -> T:
        """The thing called ``name``.

        Raises
        ------
        ConfigError
            If there is none; the message lists the names and the nearest one.
        """
        self._discover()
        if name not in self._items:
            hint = did_you_mean(name, self._items)
            raise ConfigError(f"unknown {self.kind} {name!r}{hint} (known: {', '.join(self.names())})")
        return self._items[name]

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        self._discover()
        return sorted(self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: str) -> bool:
        self._discover()
        return name in self._items

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        for package in self._packages:
            module = importlib.import_module(package)
            for info in pkgutil.iter_modules(module.__path__, package + "."):
                importlib.import_module(info.name)
        for point in entry_points(group=self._group) if self._group else ():
            self._items.setdefault(point.name, point.load())


def _place(item: object) -> str:
    return f"{getattr(item, '__module__', '?')}.{getattr(item, '__qualname__', repr(item))}"
