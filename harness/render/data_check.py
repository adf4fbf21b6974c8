"""What a check of a data set found, as an HTML page with its contact sheet and its full lists beside it."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.render import publish
from harness.render.pages import PAGES
from harness.stages.licence import WORDS
from mvmlm.data.check import SECTIONS, percent
from mvmlm.data.check.tally import SPLITS, is_graded

if TYPE_CHECKING:
    import pandas as pd

    from mvmlm.data.check import Report
    from mvmlm.data.readers import Reader

PAGE, SHEET = "check.html", "sheet.png"
LISTS = {
    "set_aside": "rows that the reader set aside, with the reason",
    "missing": "images without a usable file",
    "bad_images": "images whose header contradicts the table, or that cannot be decoded",
    "duplicates": "the same image twice, group by group",
    "extra_files": "image files that no row names",
}
UNITS = ("breasts", "images", "patients")
SPLIT_TITLES = {"": "all", "train": "train", "test": "test"}


def write(report: Report, reader: Reader, root: str, folder: Path) -> dict[str, Path]:
    """Write the page, the sheet and the lists; files that were there are replaced whole.

    Returns
    -------
    dict
        ``page``, and ``sheet`` where an image could be shown.

    Raises
    ------
    RenderError
        When the folder cannot be written.
    """
    for name in LISTS:
        publish(folder / f"{name}.csv", report.tables[name].to_csv(index=False).encode())
    paths = {"page": folder / PAGE}
    if report.sheet is not None:
        paths["sheet"] = publish(folder / SHEET, _png(report.sheet))
    else:
        (folder / SHEET).unlink(missing_ok=True)
    publish(folder / PAGE, page(report, reader, root).encode())
    return paths


def page(report: Report, reader: Reader, root: str) -> str:
    """The page."""
    return PAGES.get_template("data_check.html.j2").render(
        report=report,
        reader=reader,
        root=root,
        when=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        releasable=WORDS[reader.releasable],
        headline=headline(report),
        to_look_at=report.to_look_at,
        sections=[(title, _good(report, key)) for key, title in SECTIONS.items() if _good(report, key)],
        section_titles=SECTIONS,
        counts={q: row for q, row in report.counts.items() if not is_graded(q)},
        graded_counts={q: row for q, row in report.counts.items() if is_graded(q)},
        splits=[(split, SPLIT_TITLES[split]) for split in report.splits],
        labels=label_rows(report.positives),
        graded=_graded(report.graded),
        known=list(report.known.itertuples(index=False)),
        lists=[(f"{name}.csv", said, len(report.tables[name])) for name, said in LISTS.items()],
        reasons=list(report.tables["set_aside"]["reason"].value_counts().items()),
        percent=percent,
        has_sheet=report.sheet is not None,
    )


def headline(report: Report) -> str:
    """``20,000 images of 5,000 patients; 3 things to look at``."""
    exams, looks = report.exams, len(report.to_look_at)
    images, patients = len(exams), exams["patient_id"].nunique()
    here = f"{report.n_here:,} of " if report.n_here < images else ""
    things = f"{looks or 'no'} {'thing' if looks == 1 else 'things'} to look at"
    return f"{here}{images:,} images of {patients:,} patients; {things}"


def label_rows(positives: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a label and split: positive, known and unknown of each unit."""
    rows = []
    for label, mine in positives.groupby("label", sort=False):
        for split in ("", *SPLITS):
            units = mine[mine["split"] == split].set_index("unit")
            if len(units):
                cells = {unit: units.loc[unit] for unit in UNITS}
                rows.append({"label": label.replace("_", " "), "split": split, "cells": cells})
    return rows


def _graded(table: pd.DataFrame) -> list[tuple[str, list[tuple[str, int, int]]]]:
    """Column to its values with images and breasts."""
    found = []
    for name, rows in table.groupby("name", sort=False):
        wide = rows.pivot(index="value", columns="unit", values="count")
        found.append((name, [(value, row["images"], row["breasts"]) for value, row in wide.iterrows()]))
    return found


def _good(report: Report, section: str) -> list:
    return [check for check in report.checks if check.section == section and check.level == "good"]


def _png(pixels: Any) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()
