"""What is in a data set's folder: counts against the publication, files, headers, images, doubles, leaks.

``report``   findings, and what they are gathered in
``tally``    counts of the exam table against published ones
``rows``     findings in the tables alone
``files``    one walk of the folder
``doubles``  the same image twice
``headers``  DICOM headers against the table
``trial``    images decoded as preparation will
``sheet``    a contact sheet
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from mvmlm.data.check import doubles as double
from mvmlm.data.check import files, headers, rows, sheet, tally, trial
from mvmlm.data.check.report import BAD, GOOD, SECTIONS, Check, Report, harm, of_all, percent
from mvmlm.data.counts import counts

if TYPE_CHECKING:
    from mvmlm.data.intake import Intake
    from mvmlm.data.readers import Reader

__all__ = ["SECTIONS", "Check", "Report", "Settings", "percent", "run_checks"]

#: Called as ``progress(what is going on, done, in all)``.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """How far a check goes.

    Attributes
    ----------
    images : int or None
        Images to decode; None for all.
    headers : int or None
        DICOM headers to read; None for all.
    hashes : bool
        Whether files are compared by their bytes.
    max_bad : float
        Share of the images beyond which harm is ``bad``.
    follow_links : bool
        Whether symbolic links may lead out of the root.
    workers : int
        Processes that decode.
    intensity, crop, reduced
        As `mvmlm.data.build_store.build_image_store` takes them.
    """

    images: int | None = 200
    headers: int | None = None
    hashes: bool = True
    max_bad: float = 0.02
    follow_links: bool = False
    workers: int = 1
    intensity: str = "voi"
    crop: bool = True
    reduced: bool = False


def run_checks(
    reader: Reader, root: Path, options: Any, settings: Settings, progress: Progress | None = None
) -> Report:
    """Read a data set's tables, walk its folder, read headers, try images, and tell what there is.

    Raises
    ------
    DataError
        When the folder or a table is missing, or a table is not as published.
    """
    root, tell = Path(root), progress or (lambda what, done, total: None)
    intake = reader.take_in(root, options)
    exams = intake.exams
    report = Report(exams)
    _tables(report, intake, reader.published, settings.max_bad)
    walked = files.walk(
        root, follow_links=settings.follow_links, progress=lambda *n: tell("walk", *n), expected=len(exams)
    )
    absent = files.unusable(exams, walked)
    extra = files.unnamed(walked, root, exams, intake.set_aside)
    apart = sum(intake.apart.values())
    report.checks += files.file_checks(exams, absent, walked, extra, apart, settings.max_bad)
    here = exams.drop(absent.index)
    report.n_here = len(here)
    report.checks += _part(reader, len(here), len(exams))
    refused = _headers(report, here, root, settings, tell)
    tried = _images(report, here.drop(refused.index), root, settings, reader, tell)
    _doubles(report, exams, root, walked, tried, settings, tell)
    bad = tried[tried["reason"].notna()]
    bad = here.loc[bad.index, ["image_id", "path"]].assign(reason=bad["reason"])
    report.tables |= {
        "set_aside": intake.set_aside.drop(columns="boxes"),
        "missing": absent,
        "bad_images": pd.concat([part.astype("string") for part in (refused, bad)]),
        "extra_files": pd.DataFrame({"path": extra}),
    }
    known = len(intake.bad) + len(absent) + len(refused)
    report.checks.append(_usable(report, known, len(here) - len(refused), len(bad), settings.max_bad))
    report.checks.sort(key=lambda check: list(SECTIONS).index(check.section))
    return report


def _tables(report: Report, intake: Intake, published: dict[str, int], max_bad: float) -> None:
    exams, found = intake.exams, counts(intake.exams)
    report.counts = tally.compare(found, published)
    report.is_part = rows.is_part(report.counts)
    report.positives = tally.positives(found)
    report.graded = tally.graded(exams)
    report.known = tally.known_columns(exams)
    report.histograms = rows.set_sizes(exams)
    report.checks += rows.count_checks(report.counts)
    report.checks += rows.row_checks(intake, max_bad)
    report.checks += rows.split_checks(intake, max_bad)
    report.checks += rows.view_checks(exams)
    report.checks += rows.outcome_checks(exams)


def _part(reader: Reader, here: int, of: int) -> list[Check]:
    """A download that is not finished, said once and in one number."""
    published = reader.published.get("images", of)
    if here >= rows.PART * of:
        return []
    what = f"{percent(here, published)} of the {'published ' * ('images' in reader.published)}images are here"
    return [Check("files", GOOD, f"{what} ({here:,} of {published:,}); what follows is about these", here)]


def _headers(
    report: Report, here: pd.DataFrame, root: Path, settings: Settings, tell: Progress
) -> pd.DataFrame:
    """Rows whose header cannot be read or contradicts the table."""
    nothing = here.iloc[:0][["image_id", "path"]].assign(reason="")
    dicoms = here[headers.is_dicom(here["path"])] if len(here) else here
    dicoms = dicoms.loc[trial.spread(dicoms, settings.headers)]
    if not len(dicoms):
        return nothing
    read = headers.headers_of(dicoms, root, progress=lambda *n: tell("headers", *n))
    bad = headers.contradictions(dicoms, read, root)
    report.checks += headers.header_checks(dicoms, read, bad, settings.max_bad)
    report.headers = headers.tally_headers(read)
    return bad[["image_id", "path", "reason"]]


def _images(
    report: Report, usable: pd.DataFrame, root: Path, settings: Settings, reader: Reader, tell: Progress
) -> pd.DataFrame:
    """What was said of the images that were tried: a sample, and those of the sheet."""
    shown = sheet.choose(usable)
    wanted = pd.Index([row for _, views in shown for row in views], dtype=int)
    chosen = trial.spread(usable, settings.images).union(wanted) if len(usable) else usable.index
    names = ("intensity", "crop", "reduced", "follow_links")
    tried, pixels = trial.try_images(
        usable.loc[chosen],
        root,
        {name: getattr(settings, name) for name in names},
        workers=settings.workers if len(chosen) > 1 else 1,
        keep=frozenset(wanted),
        progress=lambda *n: tell("images", *n),
    )
    report.n_tried = len(tried)
    report.checks += trial.trial_checks(usable, tried, settings.max_bad)
    if shown:
        report.sheet = sheet.draw(reader.title, reader.simulated, _groups(report.exams, tried, pixels, shown))
    return tried


def _groups(exams: pd.DataFrame, tried: pd.DataFrame, pixels: dict, shown: list) -> list[tuple]:
    groups = []
    for breast, views in shown:
        mine = exams.loc[views]
        told = [breast, *mine["split"].dropna().unique()[:1], *mine["manufacturer"].dropna().unique()[:1]]
        tiles = [sheet.tile(mine.loc[row], pixels.get(row), tried.loc[row]) for row in views]
        groups.append((sheet.words(exams[exams["breast_id"] == breast]), " · ".join(told), tiles))
    return groups


def _doubles(
    report: Report,
    exams: pd.DataFrame,
    root: Path,
    walked: files.Folder,
    tried: pd.DataFrame,
    settings: Settings,
    tell: Progress,
) -> None:
    keys = {double.NAMED: double.same_name(exams, walked)}
    looked_at = {double.NAMED: report.n_here}
    if settings.hashes:
        keys[double.BYTES] = double.same_bytes(exams, root, walked, progress=lambda *n: tell("compare", *n))
        looked_at[double.BYTES] = report.n_here
    keys[double.PIXELS] = trial.pixel_keys(tried)
    looked_at[double.PIXELS] = len(keys[double.PIXELS])
    found = double.list_doubles(exams, keys)
    report.tables["duplicates"] = found
    report.checks += double.double_checks(found, looked_at, settings.max_bad)


def _usable(report: Report, known: int, rest: int, spoilt: int, max_bad: float) -> Check:
    """The share that can be used: without what is known to be bad, and of the rest as much as of the images tried.

    Parameters
    ----------
    known : int
        Rows that are known to be unusable without decoding.
    rest : int
        All others, of which ``report.n_tried`` were decoded and ``spoilt`` failed.
    """
    total, tried = known + rest, report.n_tried
    bad = known + round(rest * spoilt / max(1, tried))
    report.usable_share = 1 - bad / max(1, total)
    about = "about " if spoilt and tried < rest else ""
    what = f"{about}{of_all(total - bad, total, 'images')} can be used"
    what += f", of which {tried:,} were decoded" if tried < rest else ""
    if harm(bad, total, max_bad) != BAD:
        return Check("usable", GOOD, what, bad)
    todo = f"mend what follows, or allow more than {percent(max_bad, 1)} with --max-bad"
    return Check("usable", BAD, what, bad, todo=todo)
