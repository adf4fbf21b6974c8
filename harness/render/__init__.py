"""Writers of a comparison table: Markdown, LaTeX, CSV and HTML files, and the terminal."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from harness.render import csv, html, json, latex, markdown
from harness.table_model import ComparisonTable
from mvmlm.errors import MvmlmError

WRITERS = {
    "md": markdown.render,
    "tex": latex.render,
    "csv": csv.render,
    "html": html.render,
    "json": json.render,
}


class RenderError(MvmlmError):
    """A table cannot be written where it was asked to be."""


def write_all(table: ComparisonTable, folder: Path, *, stem: str = "table") -> list[Path]:
    """Write a table in every format; the same table gives the same bytes.

    Parameters
    ----------
    folder : Path
        Made if need be. A file that is there is replaced whole, never half.
    stem : str
        Name of the files before their suffix.

    Raises
    ------
    RenderError
        When the folder cannot be written; files that were there stay as they were.
    """
    texts = {suffix: render(table) for suffix, render in WRITERS.items()}
    return [publish(Path(folder) / f"{stem}.{suffix}", text.encode()) for suffix, text in texts.items()]


def publish(path: Path, content: bytes) -> Path:
    """Put a file in its place by one rename.

    Raises
    ------
    RenderError
        When it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            temporary.chmod(0o644)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise RenderError(f"{path}: cannot be written ({why}); make room or choose another folder") from error
    return path
