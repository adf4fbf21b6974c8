"""A woman's exams over the years: screening, recall, biopsy, and cancers that were small before they were found.

Every finding has a course. A benign one looks the same all along and is worked up when it is first seen. A cancer is
found in one of her rounds of screening, drawn evenly; in the rounds before it is in the images, smaller the earlier,
and nobody calls it. Dense breasts have more cancers. So the images of an exam tell something of what comes later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from mvmlm.data.phantom.findings import Finding
from mvmlm.data.phantom.pathology import BIOPSIED_FROM, Outcome, outcome
from mvmlm.data.phantom.records import Woman, draw_breast, draw_woman
from mvmlm.data.phantom.shifted_options import PhantomEmbedOptions
from mvmlm.data.phantom.streams import HISTORY, OUTCOME, stream

YEAR = 365.25  # days
#: Days that are kept free at the end for a recall and its biopsy.
WORK_UP = 60
#: Factor on a finding's odds of cancer by density class, in the direction of Boyd et al., «Mammographic density and the
#: risk and detection of breast cancer», New England Journal of Medicine 356(3), 2007; the size is ours, such that
#: density alone ranks times to cancer with a concordance of about 0.56.
DENSITY_ODDS = {"A": 0.25, "B": 0.5, "C": 2.0, "D": 4.0}
#: Spread of the logarithm of a cancer's volume doubling time. Ours.
DOUBLING_SPREAD = 0.35
#: Assessments by BI-RADS category, as EMBED writes them: N negative, B benign, P probably benign, S suspicious, M
#: malignant; A asks for more images.
LETTERS = {1: "N", 2: "B", 3: "P", 4: "S", 5: "M"}
BIOPSIED = ("S", "M")


@dataclass(frozen=True)
class Course:
    """A finding over the years: what it is, the round in which it is called, and its doubling time [days]."""

    finding: Finding
    outcome: Outcome
    round: int
    doubling: float


@dataclass(frozen=True)
class Call:
    """A finding as one exam's report has it; ``outcome`` and ``biopsy`` [day] are None where there was none."""

    side: int
    course: Course
    finding: Finding
    letter: str
    outcome: Outcome | None = None
    biopsy: int | None = None


@dataclass(frozen=True)
class Visit:
    """One exam.

    Attributes
    ----------
    number : int
        Of the woman's exams, from 0.
    day : int
        Since her first exam.
    diagnostic : bool
        Whether it works up a recall; it then shows the recalled sides alone.
    present : dict
        Side to all findings that its images show, at the size that they have on that day; only called ones are boxed.
    calls : tuple of Call
    """

    number: int
    day: int
    diagnostic: bool
    present: dict[int, tuple[Finding, ...]]
    calls: tuple[Call, ...]


def simulate_visits(options: PhantomEmbedOptions, patient: int) -> tuple[Visit, ...]:
    """All exams of a woman, in order."""
    woman = draw_woman(options, patient)
    days = _rounds(options, patient)
    courses = {side: _courses(options, woman, side, days) for side in range(2)}
    visits: list[Visit] = []
    for number, day in enumerate(days):
        visits.append(_screening(len(visits), courses, number, days))
        recalled = {call.side for call in visits[-1].calls if call.letter == "A"}
        if recalled:
            delays = stream(options, HISTORY, patient, 1 + number).integers((7, 3), (29, 22))
            visits.append(_work_up(visits[-1], day + int(delays[0]), int(delays[1])))
            if any(call.outcome and call.outcome.cancer for call in visits[-1].calls):
                break
    return tuple(visits)


@lru_cache(maxsize=4)
def timetable(options: PhantomEmbedOptions) -> tuple[tuple[int, int], ...]:
    """Woman and number of her exam, for every exam; the last woman's may be cut off."""
    found: list[tuple[int, int]] = []
    patient = 0
    while len(found) < options.exams:
        found += [(patient, visit.number) for visit in simulate_visits(options, patient)]
        patient += 1
    return tuple(found[: options.exams])


def _rounds(options: PhantomEmbedOptions, patient: int) -> list[int]:
    """Days of her screening exams."""
    rng = stream(options, HISTORY, patient)
    rounds = 1 + int(rng.poisson(options.exams_per_patient - 1))
    gaps = rng.uniform(0.9, 1.35, 40)[: rounds - 1]
    days = [0, *np.rint(np.cumsum(gaps) * YEAR).astype(int).tolist()]
    return [day for day in days if day <= options.follow_up_years * YEAR - WORK_UP]


def _courses(options: PhantomEmbedOptions, woman: Woman, side: int, days: list[int]) -> list[Course]:
    _, findings, _ = draw_breast(options, woman, side)
    made = []
    for number, finding in enumerate(findings):
        rng = stream(options, OUTCOME, woman.index, side, 1 + number)
        result = outcome(rng, finding, options.cancer_odds * DENSITY_ODDS[woman.density])
        when, doubling = (
            int(rng.random() * len(days)),
            float(options.doubling_days * np.exp(DOUBLING_SPREAD * rng.normal())),
        )
        if not result.cancer:
            made.append(Course(finding, result, 0, doubling))
            continue
        biopsied = replace(finding, birads=max(finding.birads, BIOPSIED_FROM))  # whatever it looked like
        made.append(Course(biopsied, result, when, doubling))
    return made


def _screening(number: int, courses: dict[int, list[Course]], nth: int, days: list[int]) -> Visit:
    present, calls = {}, []
    for side, mine in courses.items():
        present[side] = tuple(_on_day(course, days, days[nth]) for course in mine)
        for course, finding in zip(mine, present[side]):
            if course.round <= nth:
                is_new = course.round == nth and finding.birads > 2
                calls.append(Call(side, course, finding, "A" if is_new else "B"))
    return Visit(number, days[nth], False, present, tuple(calls))


def _work_up(seen: Visit, day: int, wait: int) -> Visit:
    """The diagnostic exam after a recall: what was new gets its category, and S and M a biopsy ``wait`` days later."""
    sides = sorted({call.side for call in seen.calls if call.letter == "A"})
    calls = []
    for call in (call for call in seen.calls if call.side in sides):
        made = replace(call, letter=LETTERS[call.finding.birads]) if call.letter == "A" else call
        if made.letter in BIOPSIED:
            made = replace(made, outcome=call.course.outcome, biopsy=day + wait)
        calls.append(made)
    return Visit(seen.number + 1, day, True, {side: seen.present[side] for side in sides}, tuple(calls))


def _on_day(course: Course, days: list[int], day: int) -> Finding:
    """The finding as large as it is on a day; not boxed before it is called."""
    before = days[course.round] - day
    if not course.outcome.cancer or before <= 0:
        return course.finding
    return grown(course.finding, 2.0 ** (-before / course.doubling / 3))


def grown(finding: Finding, scale: float) -> Finding:
    """A finding whose lengths are ``scale`` times as large, with fewer calcifications if it is smaller; not boxed."""
    grains = finding.grains[: round(scale * len(finding.grains))].copy()
    grains[:, :3] *= scale
    return replace(
        finding, axes=scale * finding.axes, spicules=scale * finding.spicules, grains=grains, boxed=False
    )
