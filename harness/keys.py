"""Content keys: equal keys mean equal work."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

KEY_VERSION = 1
KEY_LENGTH = 20


def canonical(value: Any) -> str:
    """JSON with sorted keys and no white space; refuses what JSON cannot say (NaN, sets, objects)."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def content_key(*, stage: str, version: int, config: dict, inputs: dict[str, str]) -> str:
    """Key of a stage: its name, its version, the settings that it reads, and its inputs' keys.

    Parameters
    ----------
    config : dict
        The slice of the resolved configuration that the stage reads, the data set's fingerprint included.
    inputs : dict
        Stage name to key.

    Returns
    -------
    str
        The first 20 hexadecimal digits (80 bits) of a SHA-256.
    """
    said = {
        "key_version": KEY_VERSION,
        "stage": stage,
        "version": version,
        "config": config,
        "inputs": inputs,
    }
    return hashlib.sha256(canonical(said).encode()).hexdigest()[:KEY_LENGTH]


def folder_digest(folder: Path) -> str:
    """SHA-256 over names and bytes of a folder's files but its texts for people: the identity of a local model."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix != ".md"):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:KEY_LENGTH]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes: the identity of a weight file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:KEY_LENGTH]
