"""``licence.json``: what may be done with a folder's contents, carried from the images to all that is made of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mvmlm.data.readers import Reader

NAME = "licence.json"
WORDS = {True: "yes", False: "no", None: "check its licence"}
"""``Reader.releasable`` in tags and tables."""


def write_licence(folder: Path, reader: type[Reader]) -> None:
    """Say under which licence the data are, and whether weights and embeddings trained on them may be released."""
    said = {
        "dataset": reader.name,
        "title": reader.title,
        "licence": reader.licence,
        "where": reader.where,
        "simulated": reader.simulated,
        "releasable": WORDS[reader.releasable],
    }
    (folder / NAME).write_text(json.dumps(said, indent=1))


def carry_licence(images: Path, folder: Path) -> None:
    """Put the licence of the images beside what was made of them."""
    shutil.copyfile(images / NAME, folder / NAME)


def release_note(reader: type[Reader]) -> list[str]:
    """What to say where nothing trained on the data may leave the house."""
    if reader.releasable is not False:
        return []
    return [f"Weights and embeddings trained on {reader.title} may not be released ({reader.licence})"]
