"""One thread for linear algebra, as the protocol holds itself to: the matrices of these tests are small."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import scipy.optimize  # noqa: F401  # its library must be there to be held
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with threadpool_limits(1):
        yield
