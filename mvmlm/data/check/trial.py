"""Images tried: decoded, cropped and resized as preparation will, at a small size."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pandas as pd

from mvmlm.data.build_store import DIM, image_jobs
from mvmlm.data.check.report import GOOD, WARN, Check, harm, of_all, some
from mvmlm.data.workers import in_order

HEIGHT, WIDTH = 304, 192  # pixels; a fifth of the paper's
BLANK = "no breast found: the image is blank or nearly so"
SEED = 0


def spread(exams: pd.DataFrame, n: int | None) -> pd.Index:
    """Rows of ``n`` images spread evenly over patients: one of each patient, then a second; always the same ones."""
    if n is None or n >= len(exams):
        return exams.index
    shuffled = exams["patient_id"].sample(frac=1, random_state=np.random.default_rng(SEED))
    rounds = shuffled.groupby(shuffled, sort=False).cumcount().sort_values(kind="stable")
    return rounds.index[:n].sort_values()


def try_images(
    exams: pd.DataFrame,
    root: Path,
    settings: dict,
    *,
    workers: int = 1,
    keep: Collection[int] = (),
    progress: Callable[[int, int], None] | None = None,
) -> tuple[pd.DataFrame, dict[int, np.ndarray]]:
    """Prepare images.

    Parameters
    ----------
    exams : DataFrame
        Rows to try; their index is kept.
    settings : dict
        ``intensity, crop, reduced, follow_links``.
    keep : collection of int
        Index values of the images whose pixels are wanted.

    Returns
    -------
    tried : DataFrame
        ``reason`` (NA where the image can be used) and what `mvmlm.data.prepare.prepare` says, ``boxes`` of those in
        ``keep`` only.
    pixels : dict
        Index value to uint16 (304, 192).
    """
    jobs = image_jobs(exams, root, {**settings, "height": HEIGHT, "width": WIDTH})
    rows, pixels = [], {}
    for job, stored, said in in_order(jobs, workers):
        number = exams.index[job.number]
        if stored is not None and number in keep:
            pixels[number] = np.frombuffer(stored, "<u2").reshape(HEIGHT, WIDTH)
        elif stored is not None:
            del said["boxes"]  # texts that nobody asks for
        rows.append({"reason": said} if stored is None else said)
        if progress:
            progress(len(rows), len(jobs))
    tried = pd.DataFrame(rows, index=exams.index)
    if "reason" not in tried:
        tried["reason"] = pd.NA
    return tried, pixels


def pixel_keys(tried: pd.DataFrame) -> pd.Series:
    """What two images share that are the same picture: bytes, size of their files, place of the breast."""
    by = ["crc32", "source_height", "source_width", "x0", "y0"]
    if not set(by) <= set(tried):
        return pd.Series(dtype=object)
    return tried.dropna(subset=by)[by].astype(int).astype(str).agg("-".join, axis=1)


def trial_checks(exams: pd.DataFrame, tried: pd.DataFrame, max_bad: float) -> list[Check]:
    """What cannot be used, and what looks odd though it can."""
    of, told = len(tried), exams.loc[tried.index]
    if not of:
        return [Check("images", WARN, "no image was tried", todo="try some: --images 200, or --images all")]
    found = []
    reasons = tried["reason"].dropna()
    kinds = reasons.map(lambda text: "blank" if text == BLANK else re.split(r" \(|: ", text)[0])
    for kind, texts in sorted(reasons.groupby(kinds), key=lambda pair: -len(pair[1])):
        what = (
            f"{of_all(len(texts), of, 'images tried')} cannot be used: {BLANK if kind == 'blank' else kind}"
        )
        examples = some(told.loc[texts.index, "path"])
        todo = "bad_images.csv lists them with their reasons; preparation leaves them out"
        found.append(Check("images", harm(len(texts), of, max_bad), what, len(texts), examples, todo))
    if not len(reasons):
        found.append(Check("images", GOOD, f"all {of:,} images tried can be decoded and hold a breast"))
    if len(reasons) < of:
        found += _oddities(told, tried)
    return found


def _oddities(told: pd.DataFrame, tried: pd.DataFrame) -> list[Check]:
    usable = tried["reason"].isna()
    told, tried = told[usable], tried[usable]
    flipped = (told["laterality"] == "R").astype(bool) != tried["flipped"].astype(bool)
    sizes = tried[["source_height", "source_width"]].astype("Float64")
    other = (sizes["source_height"] != told["image_height"]) | (sizes["source_width"] != told["image_width"])
    other &= told["boxes"].fillna("[]") != "[]"
    found = []
    for which, what, level, todo in (
        (flipped, "have the chest wall on the other side than their laterality says", WARN,
         "see whether laterality is wrong, or the pictures are mirrored; look at the sheet"),
        (tried["without_window"], "have no window and are shown between their extremes", WARN,
         "images.intensity=percentile would stretch each breast by itself"),
        (tried["brightest"] < DIM, "use less than a quarter of the grey range", WARN,
         "images.intensity=percentile would stretch each breast by itself"),
        (other, "have boxes that were drawn on another size, which are scaled", GOOD, ""),
    ):  # fmt: skip
        rows = told[which.astype("boolean").fillna(False).astype(bool)]
        if len(rows):
            said = f"{of_all(len(rows), len(told), 'images tried')} {what}"
            found.append(Check("images", level, said, len(rows), some(rows["path"]), todo))
    return found
