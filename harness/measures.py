"""Numbers that stages say of themselves, gathered for the cells that stand on them."""

from __future__ import annotations

import math

from harness.store import CardOf, cards_below


def measures_of(card: CardOf, key: str) -> dict[str, float]:
    """What the stages that a cell stands on say of themselves: ``<stage>/<name>`` to a number.

    Parameters
    ----------
    key : str
        Of the cell's stage ``evaluate``.
    """
    return {
        f"{stage}/{name}": value
        for (stage, _), said in sorted(cards_below(card, key).items(), key=lambda item: item[0])
        for name, value in sorted(said.summary.get("measures", {}).items())
        if _finite(value)
    }


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
