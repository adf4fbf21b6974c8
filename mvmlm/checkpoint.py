"""A training's state on disk: written whole or not at all, and used only by the training that wrote it."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write ``state``, by way of a temporary file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def resume(
    path: Path,
    identity: dict,
    parts: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]],
    device: torch.device,
) -> dict | None:
    """Load a checkpoint into the parts of a training.

    Parameters
    ----------
    identity : dict
        What the numbers depend on; a checkpoint of another training is not used.
    parts : dict
        Name in the file to the functions that give a part's state and take one.

    Returns
    -------
    dict or None
        The rest of the file; None where there is no checkpoint, or none that can be used: that one is set aside with
        a warning, and all parts are as they were.
    """
    if not path.is_file():
        return None
    fresh = {name: copy.deepcopy(give()) for name, (give, _) in parts.items()}
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        if state["identity"] != identity:
            raise ValueError("it belongs to other settings")
        for name, (_, take) in parts.items():
            take(state.pop(name))
        return state
    except Exception as error:
        why = " ".join(str(error).split())[:120]
        log.warning("%s cannot be used (%s): this training starts from the beginning", path, why)
        os.replace(path, path.with_suffix(".damaged"))
        for name, (_, take) in parts.items():
            take(fresh[name])
        return None
