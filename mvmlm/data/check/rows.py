"""Findings in the tables alone: counts against the publication, rows set aside, view sets, outcomes."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from mvmlm.data.check.report import GOOD, WARN, Check, harm, of_all, percent, some
from mvmlm.data.check.tally import Count
from mvmlm.data.intake import BOTH_SIDES, Intake

PART = (
    0.98  # of the published images: a table with fewer is a part of the set, not a set with a few odd counts
)
MOST_YEARS = 50  # of follow-up
#: Reason of the take-in to what to do about it; for all others the list is what there is.
MEND = {
    BOTH_SIDES: "they are left out: a test set stays whole, and no patient is on both sides",
    "path leads out of the folder": "give paths relative to the folder, without ..",
    "image_id is there already": "see whether the table repeats itself; the first row of each image counts",
}
LISTED = "set_aside.csv lists them; a run leaves them out"


def is_part(counts: dict[str, dict[str, Count]]) -> bool:
    """Whether the tables hold a part of the published set."""
    images = counts["images"][""]
    return images.published is not None and images.here < PART * images.published


def count_checks(counts: dict[str, dict[str, Count]]) -> list[Check]:
    """Whether the counts are the published ones; a part of the set is said once."""
    held = [count for row in counts.values() for count in row.values() if count.published is not None]
    if not held:
        return [Check("counts", GOOD, "there are no published counts to hold this data set against")]
    images = counts["images"][""]
    if is_part(counts):
        share = percent(images.here, images.published)
        return [
            Check(
                "counts",
                WARN,
                f"the tables hold {share} of the published images ({images.here:,} of {images.published:,})",
                images.published - images.here,
                todo="if it should be the whole set, fetch its tables again; results on a part are no published ones",
            )
        ]
    odd = [count for count in held if count.differs]
    unknown = [count for count in held if count.here is None]
    found = []
    if odd:
        examples = some(f"{c.name}: {c.here:,} here, {c.published:,} published, {c.difference}" for c in odd)
        what = f"{len(odd)} of {len(held)} published counts differ"
        todo = (
            "rows that were set aside or kept apart are not counted; else the tables are of another version"
        )
        found.append(Check("counts", WARN, what, len(odd), examples, todo))
    if unknown:
        what = f"{len(unknown)} of {len(held)} published counts cannot be compared, for these tables lack their labels"
        found.append(Check("counts", WARN, what, len(unknown), some(c.name for c in unknown)))
    return found or [Check("counts", GOOD, f"all {len(held)} published counts are the same here")]


def row_checks(intake: Intake, max_bad: float) -> list[Check]:
    """What the reader set aside, kept apart and resolved."""
    total = len(intake.exams) + len(intake.set_aside)
    found = []
    for reason, rows in intake.set_aside.groupby("reason", sort=False):
        if reason != BOTH_SIDES:
            what = f"{of_all(len(rows), total, 'rows')} set aside: {reason}"
            found.append(_aside("rows", rows, what, total, max_bad))
    found.sort(key=lambda check: -check.count)
    if intake.apart:
        listed = ", ".join(f"{count:,} {what}" for what, count in intake.apart.items())
        what = f"kept apart, being no standard images of this set: {listed}"
        found.append(Check("rows", GOOD, what, sum(intake.apart.values())))
    found += [Check("rows", GOOD, note) for note in intake.notes]
    return found or [Check("rows", GOOD, f"all {total:,} rows can be read")]


def split_checks(intake: Intake, max_bad: float) -> list[Check]:
    """Whether patients are on one side of the split, and whether there is one."""
    exams = intake.exams
    rows = intake.set_aside[intake.set_aside["reason"] == BOTH_SIDES]
    if len(rows):
        total = len(exams) + len(intake.set_aside)
        what = (
            f"{of_all(len(rows), total, 'rows')} are training images of patients who are in the test set, too"
        )
        return [replace(_aside("doubles", rows, what, total, max_bad), level=WARN)]
    without = int(exams["split"].isna().sum())
    if without == len(exams):
        what = "the set has no split of its own: test patients are drawn by data.test_fraction and data.split_seed"
        return [Check("doubles", GOOD, what)]
    if without:
        return [Check("doubles", WARN, f"{of_all(without, len(exams), 'images')} are in no split", without)]
    return [Check("doubles", GOOD, "no patient is in training and test set")]


def _aside(section: str, rows: pd.DataFrame, what: str, total: int, max_bad: float) -> Check:
    reason = rows["reason"].iloc[0]
    examples = some(rows["path"].fillna(rows["image_id"]).fillna("a row without path and image_id"))
    return Check(
        section, harm(len(rows), total, max_bad), what, len(rows), examples, MEND.get(reason, LISTED)
    )


def view_checks(exams: pd.DataFrame) -> list[Check]:
    """Breasts that lack a view, or have one several times, and implants."""
    views = exams["view"]
    sets = pd.DataFrame({"CC": views == "CC", "MLO": views == "MLO", "other": ~views.isin(["CC", "MLO"])})
    sets = sets.groupby(exams["breast_id"]).sum()
    found = []
    for view, other in (("CC", "MLO"), ("MLO", "CC")):
        lacking = sets.index[(sets[view] == 0) & (sets[other] > 0)]
        if len(lacking):
            what = f"{of_all(len(lacking), len(sets), 'breasts')} have no {view} view"
            todo = "they take part with the view that they have, and are in no pair of views"
            found.append(Check("views", WARN, what, len(lacking), some(lacking), todo))
    neither = sets.index[(sets["CC"] == 0) & (sets["MLO"] == 0)]
    if len(neither):
        what = f"{of_all(len(neither), len(sets), 'breasts')} have neither CC nor MLO view"
        found.append(
            Check("views", WARN, what, len(neither), some(neither), "training uses CC and MLO views alone")
        )
    several = sets.index[(sets["CC"] > 1) | (sets["MLO"] > 1)]
    if len(several):
        what = f"{of_all(len(several), len(sets), 'breasts')} have a view several times; the first by image_id counts"
        found.append(Check("views", GOOD, what, len(several), some(several)))
    others = views[~views.isin(["CC", "MLO"])].value_counts()
    if len(others):
        listed = ", ".join(f"{count:,} {view}" for view, count in others.head(8).items())
        what = f"{of_all(int(others.sum()), len(exams), 'images')} are other views than CC and MLO: {listed}"
        found.append(Check("views", GOOD, what, int(others.sum())))
    if not found:
        found.append(Check("views", GOOD, f"all {len(sets):,} breasts have one CC and one MLO view"))
    return found + _implants(exams)


def _implants(exams: pd.DataFrame) -> list[Check]:
    known = exams["implant"].notna()
    if not known.any():
        return []
    patients = exams.loc[exams["implant"].fillna(False).astype(bool), "patient_id"].nunique()
    of = exams.loc[known, "patient_id"].nunique()
    unknown = exams["patient_id"].nunique() - of
    more = f"; of {unknown:,} it is unknown" if unknown else ""
    return [Check("views", GOOD, f"{of_all(patients, of, 'patients')} have an implant{more}", patients)]


def set_sizes(exams: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Number of exams by number of images, and of breasts by number of views."""
    found = {}
    for title, unit in (
        ("exams by number of images", "exam_id"),
        ("breasts by number of views", "breast_id"),
    ):
        sizes = exams.groupby(unit).size().value_counts().sort_index()
        found[title] = {str(size): int(count) for size, count in sizes.items()}
    return found


def outcome_checks(exams: pd.DataFrame) -> list[Check]:
    """Follow-up that cannot be: before the exam, or of half a century."""
    years, event = exams["years_to_event"], exams["event"]
    if not (years.notna().any() or event.notna().any()):
        return []
    found = []
    for bad, what in (
        (years < 0, "an event before the exam"),
        (years > MOST_YEARS, f"more than {MOST_YEARS} years of follow-up"),
        (event.notna() & years.isna(), "a known outcome without its years of follow-up"),
        (event.isna() & years.notna(), "years of follow-up without an outcome"),
    ):
        rows = exams[bad.fillna(False).astype(bool)]
        if len(rows):
            said = f"{of_all(len(rows), len(exams), 'images')} have {what}"
            todo = "see how the reader works out event and years_to_event from the dates of the tables"
            found.append(Check("outcomes", WARN, said, len(rows), some(rows["image_id"]), todo))
    spread = (
        f"{years.min():.1f} to {years.max():.1f} years of follow-up"
        if years.notna().any()
        else "no follow-up"
    )
    what = f"{of_all(int(event.notna().sum()), len(exams), 'images')} have a known outcome, {spread}"
    return [*found, Check("outcomes", GOOD, what)]
