"""Numbers that stages say of themselves, gathered for the cells that stand on them."""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.store import Card


def measures_of(card: Callable[[str, str], Card | None], key: str) -> dict[str, float]:
    """What the stages that a cell stands on say of themselves: ``<stage>/<name>`` to a number.

    Parameters
    ----------
    card : callable
        Stage and key to the published stage's card, as :meth:`harness.store.Store.card`.
    key : str
        Of the cell's stage ``evaluate``.
    """
    found: dict[str, float] = {}
    front, seen = [("evaluate", key)], {key}
    while front:
        stage, at = front.pop()
        if (said := card(stage, at)) is None:
            continue
        found.update({f"{stage}/{name}": v for name, v in said.summary.get("measures", {}).items() if _finite(v)})
        front += [(name, below) for name, below in said.inputs.items() if below not in seen]
        seen.update(said.inputs.values())
    return dict(sorted(found.items()))


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
