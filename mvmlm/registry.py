"""One registry for everything that can be added: methods, data sets, report sources, tasks, protocols."""

from __future__ import annotations

import difflib
import importlib
import logging
import pkgutil
import threading
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from mvmlm.errors import ConfigError

log = logging.getLogger(__name__)

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
        Entry-point group through which other people's packages add theirs. One that cannot be loaded is said in one
        line and left out: it takes nothing else with it, and is an error only where it is asked for.
    """

    def __init__(self, kind: str, packages: tuple[str, ...] = (), entry_points: str | None = None) -> None:
        self.kind = kind
        self._packages = packages
        self._group = entry_points
        self._items: dict[str, T] = {}
        self._broken: dict[str, str] = {}
        self._discovered = False
        self._discovery = threading.RLock()

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds a class or function under ``name``; a second, different one is an error."""

        def add(item: T) -> T:
            held = self._items.get(name)
            if held is not None and _place(held) != _place(item):
                raise ConfigError(f"{self.kind} {name!r} is registered twice: {_place(held)} and {_place(item)}")
            self._items[name] = item
            return item

        return add

    def get(self, name: str) -> T:
        """The thing called ``name``.

        Raises
        ------
        ConfigError
            If there is none; the message lists the names and the nearest one, or says why its package cannot be used.
        """
        self._discover()
        if name not in self._items and name in self._broken:
            raise ConfigError(self._broken[name])
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
        """Import everything once: others wait for it; a module that looks something up meanwhile sees what there is.

        A module of ours that cannot be imported is an error now and at the next look-up too.
        """
        with self._discovery:
            if self._discovered:
                return
            self._discovered = True
            try:
                for package in self._packages:
                    module = importlib.import_module(package)
                    for info in pkgutil.iter_modules(module.__path__, package + "."):
                        importlib.import_module(info.name)
            except BaseException:
                self._discovered = False
                raise
            for point in entry_points(group=self._group) if self._group else ():
                self._add_from(point)

    def _add_from(self, point: EntryPoint) -> None:
        """Load an entry point; one that fails, or whose name is taken, is said and left out."""
        try:
            item = point.load()
        except Exception as error:  # code of others, which may fail in any way
            why = f"cannot be loaded ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        else:
            held = self._items.setdefault(point.name, item)
            if _place(held) == _place(item):
                return
            why = f"is left out: {self.kind} {point.name!r} is {_place(held)} already"
        package = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
        self._broken[point.name] = (
            f"entry point {point.name} = {point.value} ({self._group}) of package {package} {why}; "
            "mend or uninstall the package"
        )
        log.warning("%s", self._broken[point.name])


def _place(item: object) -> str:
    return f"{getattr(item, '__module__', '?')}.{getattr(item, '__qualname__', repr(item))}"
