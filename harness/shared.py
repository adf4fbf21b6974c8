"""What two cells must have in common before one may be held against the other."""

from __future__ import annotations

from harness.keys import canonical
from harness.store import CardOf, cards_below

TRAINS = {
    "search": ("search", ("trials",)),
    "pretrain": ("train", ("epochs", "min_steps", "batch_size", "accumulate")),
    "finetune": ("finetune", None),
}
"""Stages that train, the section of their settings that holds their budget, and which of it."""


def shared_of(card: CardOf, key: str) -> dict[str, object]:
    """Test patients, split, code and training budget of a cell.

    Parameters
    ----------
    key : str
        Of the cell's stage ``evaluate``.

    Returns
    -------
    dict
        ``patients``, ``splits``, ``code``: text that is equal where these are; ``budget``: a dict with such a text for
        each stage that trains; ``finished``: when the cell was evaluated. What is not known is not there.
    """
    chain = cards_below(card, key)
    if not chain:
        return {}
    last = chain["evaluate", key]
    found: dict[str, object] = {"splits": canonical(last.config.get("split")), "finished": last.finished}
    if test := last.summary.get("test"):
        found["patients"] = test
    codes = {below.code for below in chain.values()}
    if all(codes):
        found["code"] = " ".join(sorted(codes))
    found["budget"] = {
        stage: _budget(below.config.get(section, {}), names)
        for (stage, _), below in chain.items()
        if stage in TRAINS
        for section, names in (TRAINS[stage],)
    }
    if found["budget"]:  # what was trained without a search had no trial
        found["budget"].setdefault("search", _budget({"trials": 0}, TRAINS["search"][1]))
    return found


def _budget(settings: dict, names: tuple[str, ...] | None) -> str:
    return canonical(settings if names is None else {name: settings.get(name) for name in names})
