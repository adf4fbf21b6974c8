"""What tells one language model from another: its content, or its name on the hub."""

from __future__ import annotations

import hashlib
from pathlib import Path

WHOLE_BELOW = 2**26  # bytes; larger files count by their size and by probes
PROBE, STRIDE = 2**12, 2**23  # bytes, one each: every weight matrix of a large model is hit


def model_identity(model: str) -> str:
    """Equal for equal models, wherever they lie.

    Parameters
    ----------
    model : str
        A shipped model, a local folder, a hub id or a server's name for its model.

    Returns
    -------
    str
        ``folder:`` and a digest of the files, texts for people and hidden ones left out, files of 64 MiB and more by 4
        KiB in every 8 MiB; or ``hub:`` and the id. Its revision is left out: it is not known before the model is
        fetched, and what was written then must be found afterwards.
    """
    from mvmlm.reports.backends.model_loading import NAMES

    path = NAMES[model] if model in NAMES else Path(model).expanduser()
    if not path.is_dir():
        return f"hub:{model}"
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file() and p.suffix != ".md"):
        name = file.relative_to(path)
        if not any(part.startswith(".") for part in name.parts):
            _add(digest, name.as_posix(), file)
    return f"folder:{digest.hexdigest()[:20]}"


def _add(digest: hashlib._Hash, name: str, file: Path) -> None:
    size = file.stat().st_size
    digest.update(f"{name}\0{size}\0".encode())
    with file.open("rb") as content:
        if size < WHOLE_BELOW:
            digest.update(content.read())
            return
        for start in range(0, size, STRIDE):
            content.seek(start)
            digest.update(content.read(PROBE))
