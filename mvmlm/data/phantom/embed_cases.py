"""One visit of EMBED's kind: who, when, on which machine, and what her breasts hold on that day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from mvmlm.data.phantom.equipment import EQUIPMENT, Equipment
from mvmlm.data.phantom.history import YEAR, Call, Visit, simulate_visits, timetable
from mvmlm.data.phantom.records import SIDES, Breast, Exam, Woman, draw_breast, draw_woman
from mvmlm.data.phantom.shifted_options import PhantomEmbedOptions
from mvmlm.data.phantom.streams import EXAM, MACHINE, PATIENT, TABLE, identifier, scattered, stream
from mvmlm.data.phantom.views import STANDARD, take_view

#: Shares of the vendors in the order of the option (published: Hologic 92 %, GE 6 %, Fuji 2 %).
VENDOR_SHARES = (0.92, 0.06, 0.02, 0.02, 0.02)
#: As published, the second with its two blanks: 40 % each; and what is left.
RACES = {
    "Caucasian or White": 0.40,
    "African American  or Black": 0.40,
    "Asian": 0.08,
    "Unknown, Unavailable or Unreported": 0.12,
}
FIRST_DAY, ARRIVAL_DAYS = date(2013, 1, 1), 1461
#: Numbers that are set aside for the exams of one woman.
EXAMS_A_WOMAN = 64


@dataclass(frozen=True)
class EmbedCase:
    """A visit as an exam, and what the tables say beside it.

    Attributes
    ----------
    exam : Exam
    visit : Visit
    patient_id, exam_id, cohort : int
    race : str
    age : float
        On that day [years].
    first : date
        Of her first exam.
    """

    exam: Exam
    visit: Visit
    patient_id: int
    exam_id: int
    cohort: int
    race: str
    age: float
    first: date

    @property
    def day(self) -> date:
        """Of the exam."""
        return self.first + timedelta(days=self.visit.day)

    def calls(self, side: str) -> tuple[Call, ...]:
        """What the report says of a side."""
        return tuple(call for call in self.visit.calls if SIDES[call.side] == side)


def simulate_case(options: PhantomEmbedOptions, index: int) -> EmbedCase:
    """Exam number ``index`` of the timetable."""
    patient, number = timetable(options)[index]
    woman, visit = draw_woman(options, patient), simulate_visits(options, patient)[number]
    rng = stream(options, TABLE, patient)
    race, arrival = str(rng.choice(list(RACES), p=list(RACES.values()))), int(rng.integers(ARRIVAL_DAYS))
    age = woman.age + float(rng.random()) + visit.day / YEAR
    exam = Exam(
        study_id=identifier(options, "study", patient, number),
        series_id=identifier(options, "series", patient, number),
        test=False,
        age=int(age),
        age_known=True,
        density=woman.density,
        equipment=_machine(options, patient, number),
        pixel_mm=10 * woman.field_cm / options.height,
        breasts=tuple(_breast(options, woman, visit, side) for side in sorted(visit.present)),
    )
    return EmbedCase(
        exam=exam,
        visit=visit,
        patient_id=scattered(options, PATIENT, patient),
        exam_id=scattered(options, EXAM, EXAMS_A_WOMAN * patient + number),
        cohort=1 + patient % 2,
        race=race,
        age=age,
        first=FIRST_DAY + timedelta(days=arrival),
    )


def _breast(options: PhantomEmbedOptions, woman: Woman, visit: Visit, side: int) -> Breast:
    anatomy, _, _ = draw_breast(options, woman, side)
    numbers = (1 + 2 * side, 2 + 2 * side)
    views = [
        take_view(options, woman, side, anatomy, v, n, 1 + visit.number) for v, n in zip(STANDARD, numbers)
    ]
    category = max((call.finding.birads for call in visit.calls if call.side == side), default=1)
    return Breast(SIDES[side], anatomy, visit.present[side], category, tuple(views))


def _machine(options: PhantomEmbedOptions, patient: int, number: int) -> Equipment:
    shares = np.array(VENDOR_SHARES[: len(options.vendors)])
    letter = stream(options, MACHINE, patient, number).choice(options.vendors, p=shares / shares.sum())
    return EQUIPMENT[str(letter)]
