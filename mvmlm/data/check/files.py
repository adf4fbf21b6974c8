"""The files of a folder, by one walk, against the paths of an exam table."""

from __future__ import annotations

import json
import os
import posixpath
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from mvmlm.data.check.report import GOOD, WARN, Check, harm, of_all, some
from mvmlm.data.pixels import DICOM_MAGIC, DICOM_PREAMBLE, DICOM_SUFFIXES, PICTURE_SUFFIXES

EVERY = 2000  # files between two reports of progress
MISSING, EMPTY, OUTSIDE = "no such file", "the file is empty", "a symbolic link leads out of the folder"
MENDING = {
    MISSING: "finish the download or the unpacking; missing.csv lists them",
    EMPTY: "fetch them again: a download broke off; missing.csv lists them",
    OUTSIDE: "allow it with --follow-links if you trust where they lead",
}


@dataclass
class Folder:
    """What a walk found.

    Attributes
    ----------
    sizes : dict
        Path relative to the root, with forward slashes, to bytes.
    places : dict
        The same paths to device and inode: equal where two names are one file.
    links_out : set of str
        Links that lead out of the root and were not followed.
    unlisted : list of str
        Folders that cannot be listed.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    links_out: set[str] = field(default_factory=set)
    unlisted: list[str] = field(default_factory=list)

    def is_outside(self, path: str) -> bool:
        """Whether a path goes through a link that was not followed."""
        return path in self.links_out or any(str(p) in self.links_out for p in PurePosixPath(path).parents)


def walk(
    root: Path,
    *,
    follow_links: bool = False,
    progress: Callable[[int, int], None] | None = None,
    expected: int = 0,
) -> Folder:
    """List a folder and all below it once; a link back to a folder that holds it is not followed again.

    Parameters
    ----------
    expected : int
        Number of files that are thought to be there, for the progress.
    """
    found, real = Folder(), os.path.realpath(root)
    waiting = [("", real, (real,))]
    while waiting:
        before, folder, above = waiting.pop()
        try:
            entries = os.scandir(folder)
        except OSError:
            found.unlisted.append(before.rstrip("/"))
            continue
        with entries:
            for entry in entries:
                path = before + entry.name
                is_link = entry.is_symlink()
                target = os.path.realpath(entry.path) if is_link else entry.path
                if is_link and not follow_links and not _is_below(target, real):
                    found.links_out.add(path)
                elif entry.is_dir():
                    if not (is_link and any(_is_below(known, target) for known in (*above, folder))):
                        waiting.append((f"{path}/", target, (*above, target) if is_link else above))
                else:
                    _take(found, path, entry)
                    if progress and len(found.sizes) % EVERY == 0:
                        progress(len(found.sizes), max(expected, len(found.sizes)))
    return found


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _take(found: Folder, path: str, entry: os.DirEntry) -> None:
    try:
        said = entry.stat()
    except OSError:  # a link to nothing
        return
    found.sizes[path], found.places[path] = said.st_size, (said.st_dev, said.st_ino)


def tidy(paths: pd.Series) -> pd.Series:
    """Paths of a table as a walk spells them."""
    return paths.map(posixpath.normpath).astype(object)


def unusable(exams: pd.DataFrame, folder: Folder) -> pd.DataFrame:
    """``image_id, path, reason`` of the rows without a file of their own; the index is the exam table's."""
    paths = tidy(exams["path"])
    sizes = paths.map(folder.sizes)
    reason = pd.Series(pd.NA, index=exams.index, dtype="string")
    reason[sizes == 0] = EMPTY
    absent = paths[sizes.isna()]
    outside = absent.map(folder.is_outside).astype(bool) if folder.links_out else absent.map(lambda _: False)
    reason[absent.index] = MISSING
    reason[absent.index[outside]] = OUTSIDE
    rows = exams[["image_id", "path"]].assign(reason=reason)
    return rows[reason.notna()]


def file_checks(
    exams: pd.DataFrame, bad: pd.DataFrame, folder: Folder, extra: list[str], apart: int, max_bad: float
) -> list[Check]:
    """Missing and empty files, links, folders that cannot be listed, images that no row names.

    Parameters
    ----------
    extra : list of str
        As `unnamed` finds them.
    apart : int
        Rows that the reader kept apart: their files are there and in no row.
    """
    found = []
    for reason, rows in bad.groupby("reason"):
        what = f"{of_all(len(rows), len(exams), 'images')} have no file: {reason}"
        todo = MENDING[reason] + (_converted(rows["path"], extra) if reason == MISSING else "")
        level = harm(len(rows), len(exams), max_bad)
        found.append(Check("files", level, what, len(rows), some(rows["path"]), todo))
    if not len(bad):
        found.append(Check("files", GOOD, f"all {len(exams):,} images have a file"))
    if folder.unlisted:
        what = f"{len(folder.unlisted):,} folders cannot be listed"
        todo = "give yourself the right to read them"
        found.append(Check("files", WARN, what, len(folder.unlisted), some(folder.unlisted), todo))
    if extra:
        what = f"{len(extra):,} image files are in no row of the exam table"
        known = len(extra) <= apart
        what += f"; {apart:,} rows were kept apart" if apart else ""
        todo = "" if known else "if they are meant to be used, the table lacks their rows"
        found.append(Check("files", GOOD if known else WARN, what, len(extra), some(extra), todo))
    return found


def _converted(missing: pd.Series, extra: list[str]) -> str:
    """A hint where the images are there under another ending."""
    stems = {PurePosixPath(path).stem: PurePosixPath(path).suffix for path in extra}
    there = Counter(stems[stem] for path in missing if (stem := PurePosixPath(path).stem) in stems)
    if not there:
        return ""
    suffix, count = there.most_common(1)[0]
    return f"; {count:,} of them are there as {suffix} files: the folder is a converted copy, or is laid out otherwise"


def unnamed(folder: Folder, root: Path, exams: pd.DataFrame, set_aside: pd.DataFrame) -> list[str]:
    """Image files that no row names, neither as its image nor as the mask of a region."""
    named = {*tidy(exams["path"]), *tidy(set_aside["path"].dropna())}
    named |= {*_masks(exams["boxes"]), *_masks(set_aside["boxes"])}
    rest = (path for path in folder.sizes if path not in named)
    return sorted(path for path in rest if _is_image(root, path))


def _masks(boxes: pd.Series) -> Iterator[str]:
    for text in boxes[boxes.str.contains('"mask"', regex=False).fillna(False)]:
        for region in json.loads(text):
            yield from map(posixpath.normpath, region.get("mask") or ())


def _is_image(root: Path, path: str) -> bool:
    """By its ending; a file without one, or named by its UID alone, by its first bytes."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix and not suffix[1:].isdigit():
        return suffix in PICTURE_SUFFIXES or suffix in DICOM_SUFFIXES
    try:
        with open(root / path, "rb") as file:
            return file.read(DICOM_PREAMBLE + len(DICOM_MAGIC)).endswith(DICOM_MAGIC)
    except OSError:
        return False
