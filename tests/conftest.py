"""The order of the tests: files that take long come first, so that none is left over for one process at the end."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files by their number of slow tests, most first; within a file, and among equals, the order stays."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])
