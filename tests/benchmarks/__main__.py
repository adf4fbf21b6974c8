"""Every benchmark, one line each: ``python -m tests.benchmarks [NAME …]``."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import tests.benchmarks as package


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all: some twenty minutes, most of them phantom_learnability's."""
    known = [m.name for m in pkgutil.iter_modules(package.__path__) if m.name != "__main__"]
    for name in names or known:
        module = importlib.import_module(f"tests.benchmarks.{name}")
        module.main()


if __name__ == "__main__":
    main(sys.argv[1:])
