"""The same image twice: by file name, by the file's bytes, by its prepared pixels; and whether that is a leak."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from mvmlm.data.check.files import Folder, tidy
from mvmlm.data.check.report import GOOD, WARN, Check, harm, of_all, some

GLIMPSE = 1 << 16  # bytes at the head and at the end of a file that are compared first
BLOCK = 1 << 20
THREADS = 8
COLUMNS = ["kind", "group", "image_id", "path", "patient_id", "laterality", "view", "split"]
NAMED, BYTES, PIXELS = "one file", "the same bytes", "the same pixels"
#: Kind to how it is said of no two images, and of an image and another one.
SAID = {
    NAMED: ("share a file", "share their file with another one"),
    BYTES: ("have the same bytes", "have the same bytes as another one"),
    PIXELS: ("have the same pixels", "have the same pixels as another one"),
}
EVERY = 200


def same_name(exams: pd.DataFrame, folder: Folder) -> pd.Series:
    """What tells a row's file from all others: rows of one file share it. NA where there is no file."""
    return tidy(exams["path"]).map(folder.places)


def same_bytes(
    exams: pd.DataFrame, root: Path, folder: Folder, progress: Callable[[int, int], None] | None = None
) -> pd.Series:
    """Digest of each row's file, NA where no other file has its size, or its first and last 64 KiB.

    Files are compared by size, then by a glimpse, then as a whole: a set without doubles is hardly read.
    """
    paths = tidy(exams["path"])
    one_each = ~paths.map(folder.places).duplicated()
    paths = paths[paths.map(folder.sizes).fillna(0).gt(0) & one_each]
    alike = paths[paths.map(folder.sizes).duplicated(keep=False)]
    glimpses = pd.Series(_digests(root, alike, GLIMPSE, progress), index=alike.index, dtype=object)
    sized = alike.map(folder.sizes).astype(str) + glimpses
    alike = alike[glimpses.notna() & sized.duplicated(keep=False)]
    return pd.Series(_digests(root, alike, None, progress), index=alike.index, dtype=object).reindex(
        exams.index
    )


def _digests(
    root: Path, paths: Sequence[str], glimpse: int | None, progress: Callable[[int, int], None] | None
) -> list[str | None]:
    found = []
    with ThreadPoolExecutor(THREADS) as pool:
        for digest in pool.map(lambda path: _digest(root / path, glimpse), paths):
            found.append(digest)
            if progress and len(found) % EVERY == 0:
                progress(len(found), len(paths))
    return found


def _digest(path: Path, glimpse: int | None) -> str | None:
    """BLAKE2b of a file, or of its head and end; None where it cannot be read."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as file:
            if glimpse is None:
                while block := file.read(BLOCK):
                    digest.update(block)
            else:
                digest.update(file.read(glimpse))
                size = file.seek(0, 2)
                file.seek(max(0, size - glimpse))
                digest.update(file.read(glimpse))
    except OSError:
        return None
    return digest.hexdigest()


def list_doubles(exams: pd.DataFrame, keys: dict[str, pd.Series]) -> pd.DataFrame:
    """Rows of `COLUMNS` of all groups of images that share a key.

    Parameters
    ----------
    keys : dict
        Kind (`NAMED`, `BYTES`, `PIXELS`) to a key a row, NA where there is none. A group that an earlier kind has
        found is not found again.
    """
    owner = pd.Series(-1, index=exams.index)
    parts, before = [], 0
    for kind, all_keys in keys.items():
        key = all_keys[all_keys.notna() & all_keys.duplicated(keep=False)]
        group = pd.Series(pd.factorize(key)[0], index=key.index) + before
        owners = owner[key.index].groupby(group)
        known = (owners.min() == owners.max()) & (owners.min() >= 0)
        group = group[~group.map(known).astype(bool)]
        parts.append(
            exams.loc[group.index].assign(kind=kind, group=group)[COLUMNS].sort_values("group", kind="stable")
        )
        owner[group.index] = group
        before += len(known)
    return pd.concat(parts)


def double_checks(doubles: pd.DataFrame, looked_at: dict[str, int], max_bad: float) -> list[Check]:
    """Doubles in training and test set, of two patients, of two sides or views, and the rest.

    Parameters
    ----------
    looked_at : dict
        Kind to the number of images that were compared; a kind that was not looked for is not there.
    """
    found = []
    for kind, of in looked_at.items():
        rows = doubles[doubles["kind"] == kind]
        if not len(rows):
            found.append(Check("doubles", GOOD, f"no two of {of:,} images {SAID[kind][0]}"))
            continue
        groups = rows.groupby("group")
        for members, what, todo, most in _parts(groups, max_bad):
            if members:
                which = rows[rows["group"].isin(members)]
                said = f"{of_all(len(which), of, 'images')} {SAID[kind][1]}, {what}"
                level = harm(len(which), of, most) if most is not None else WARN
                examples = some(" = ".join(r["path"].iloc[:3]) for _, r in which.groupby("group", sort=False))
                found.append(Check("doubles", level, said, len(which), examples, todo))
    return found


def _parts(groups: pd.api.typing.DataFrameGroupBy, max_bad: float) -> list[tuple]:
    """Groups by what is worst about them."""
    splits = groups["split"].nunique() > 1
    patients = (groups["patient_id"].nunique() > 1) & ~splits
    sides = (groups[["laterality", "view"]].nunique() > 1).any(axis=1) & ~splits & ~patients
    rest = ~splits & ~patients & ~sides
    listed = "duplicates.csv lists them"
    return [
        (
            set(splits.index[splits]),
            "in training and test set",
            f"a leak: take one side's rows out; {listed}",
            max_bad,
        ),
        (set(splits.index[patients]), "of two patients", f"one of them has the wrong image; {listed}", None),
        (
            set(splits.index[sides]),
            "of another side or view",
            f"one of them has the wrong image; {listed}",
            None,
        ),
        (
            set(splits.index[rest]),
            "of the same patient and view",
            f"they count twice; {listed}",
            None,
        ),
    ]
