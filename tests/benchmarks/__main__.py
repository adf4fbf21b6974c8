"""Every benchmark, one line each: ``python -m tests.benchmarks [NAME …]``, or one with options of its own."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import tests.benchmarks as package

PARTS = {"__main__", "plain_step"}  # that are no benchmark by themselves


def main(words: list[str]) -> None:
    """Run the named benchmarks, or all: some forty minutes, most of them step's and phantom_learnability's."""
    first = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    names, options = words[:first], words[first:]
    known = [m.name for m in pkgutil.iter_modules(package.__path__) if m.name not in PARTS]
    if options and len(names) != 1:
        raise SystemExit(f"options ({' '.join(options)}) go with the name of one benchmark")
    for name in names or known:
        module = importlib.import_module(f"tests.benchmarks.{name}")
        module.main(*([options] if options else []))


if __name__ == "__main__":
    main(sys.argv[1:])
