"""RSNA's layout: ``train_images/<patient_id>/<image_id>.dcm`` with whole numbers, and ``train.csv``.

Two sites that differ as the published ones do: machines, density and implants recorded in site 1 alone, and a BI-RADS
column that gives cancers away (in site 1 every cancer has 0, in site 2 every cancer has none).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar

from mvmlm.data.phantom.dicom_file import compress
from mvmlm.data.phantom.equipment import EQUIPMENT
from mvmlm.data.phantom.layout import Layout, Row
from mvmlm.data.phantom.options import SimulationOptions
from mvmlm.data.phantom.pathology import BIOPSIED_FROM, outcome
from mvmlm.data.phantom.records import SIDES, Breast, Exam, draw_woman, simulate_exam
from mvmlm.data.phantom.render import Rendered
from mvmlm.data.phantom.streams import IMAGE, OUTCOME, PATIENT, TABLE, scattered, stream
from mvmlm.data.phantom.views import STANDARD, take_view

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

    from mvmlm.data.phantom.views import View

TABLE_NAME = "train.csv"
COLUMNS = (
    "site_id", "patient_id", "image_id", "laterality", "view", "age", "cancer", "biopsy", "invasive", "BIRADS",
    "implant", "density", "machine_id", "difficult_negative_case",
)  # fmt: skip

#: Published: 5,818 of 11,913 patients are site 1's; 22 % of the files have a sigmoid window; 37 of 54,706 rows no age.
SITE_1, SIGMOID, NO_AGE = 0.49, 0.22, 0.001
#: Share of the BI-RADS cells that are empty, of breasts without cancer, by site (published: 20 and 90 % of all).
NO_BIRADS = {1: 0.20, 2: 0.90}
#: Of site 1's women (published: 1,477 of 29,519 images); no implant is drawn in the image.
IMPLANT = 0.05
#: Share of breasts of which a view was taken again, and of those with one of the rare views as well.
AGAIN, RARE = 0.15, 0.03
RARE_VIEWS = ("AT", "LM", "ML")
#: Of the breasts of category 4 and 5 without cancer, those biopsied; of the other recalls, those called difficult.
BIOPSIED, DIFFICULT = 0.9, 0.5
#: UIDs of the two lossless transfer syntaxes, and the share of women whose files are JPEG 2000 (ours).
JPEG_2000_LOSSLESS, JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.70"
JPEG_2000 = 0.6
#: Numbers that are set aside for the images of one woman.
IMAGES_A_WOMAN = 16


@dataclass(frozen=True)
class Truth:
    """What the table says of a breast; ``birads`` is None where the cell is empty."""

    cancer: bool
    biopsy: bool
    invasive: bool
    birads: int | None
    difficult: bool


@dataclass(frozen=True)
class RsnaCase:
    """An exam, where it was made, and what came of it by laterality."""

    exam: Exam
    patient_id: int
    image_ids: dict[str, int]
    site: int
    machine: int
    implant: bool
    syntax: str
    truth: dict[str, Truth]


class RsnaLayout(Layout[RsnaCase]):
    """Cancer is the breast's and comes from pathology; there is no split and no finding."""

    tables: ClassVar[dict[str, tuple[str, ...]]] = {TABLE_NAME: COLUMNS}

    def simulate(self, options: SimulationOptions, index: int) -> RsnaCase:
        rng = stream(options, TABLE, index)
        of_site, of_machine, sigmoid, no_age, implant, jpeg2000 = rng.random(6)
        site = 1 if of_site < SITE_1 else 2
        letters = _machines(options.vendors)[site]
        letter = letters[int(of_machine * len(letters))]
        exam = replace(
            simulate_exam(options, index),
            equipment=replace(EQUIPMENT[letter], sigmoid=bool(sigmoid < SIGMOID)),
            age_known=bool(no_age >= NO_AGE),
        )
        exam = replace(exam, breasts=_more_views(options, index, exam.breasts))
        views = [view for breast in exam.breasts for view in breast.views]
        return RsnaCase(
            exam=exam,
            patient_id=scattered(options, PATIENT, index),
            image_ids={
                v.image_id: scattered(options, IMAGE, IMAGES_A_WOMAN * index + v.number) for v in views
            },
            site=site,
            machine=100 * site + list(EQUIPMENT).index(letter),
            implant=site == 1 and bool(implant < IMPLANT),
            syntax=JPEG_2000_LOSSLESS if jpeg2000 < JPEG_2000 else JPEG_LOSSLESS_SV1,
            truth={b.laterality: _truth(options, index, site, b) for b in exam.breasts},
        )

    def path(self, case: RsnaCase, breast: Breast, view: View) -> PurePosixPath:
        return PurePosixPath("train_images", str(case.patient_id), f"{case.image_ids[view.image_id]}.dcm")

    def finish(self, case: RsnaCase, view: View, file: FileDataset) -> None:
        file.PatientID = str(case.patient_id)
        file.BreastImplantPresent = "YES" if case.implant else "NO"
        compress(file, case.syntax)

    def image_rows(
        self, case: RsnaCase, breast: Breast, view: View, rendered: Rendered, file: FileDataset
    ) -> Iterator[Row]:
        exam, truth = case.exam, case.truth[breast.laterality]
        yield (
            TABLE_NAME,
            (
                case.site,
                case.patient_id,
                case.image_ids[view.image_id],
                breast.laterality,
                view.name,
                float(exam.age) if exam.age_known else "",
                int(truth.cancer),
                int(truth.biopsy),
                int(truth.invasive),
                "" if truth.birads is None else float(truth.birads),
                int(case.implant),
                exam.density if case.site == 1 else "",
                case.machine,
                truth.difficult,
            ),
        )


def _machines(vendors: tuple[str, ...]) -> dict[int, tuple[str, ...]]:
    """Machines of each site; where there is but one, both have it."""
    half = (len(vendors) + 1) // 2
    return {1: vendors[:half], 2: vendors[half:] or vendors}


def _more_views(options: SimulationOptions, index: int, breasts: tuple[Breast, ...]) -> tuple[Breast, ...]:
    """The breasts, some with a view taken again and a few with a rare one."""
    woman, made, number = draw_woman(options, index), [], 4
    for side, breast in enumerate(breasts):
        rng = stream(options, TABLE, index, 1 + side)
        again, rare = rng.random(2)
        more = [(STANDARD[rng.integers(2)], 1)] if again < AGAIN else []
        more += [(RARE_VIEWS[rng.integers(3)], 0)] if rare < RARE else []
        views = []
        for name, times in more:
            number += 1
            views.append(take_view(options, woman, side, breast.anatomy, name, number, times))
        made.append(replace(breast, views=(*breast.views, *views)))
    return tuple(made)


def _truth(options: SimulationOptions, index: int, site: int, breast: Breast) -> Truth:
    rng = stream(options, OUTCOME, index, SIDES.index(breast.laterality))
    biopsied, hard, unsaid = rng.random(3)
    found = [outcome(rng, finding) for finding in breast.findings]
    cancer = any(one.cancer for one in found)
    biopsy = cancer or (breast.birads >= BIOPSIED_FROM and bool(biopsied < BIOPSIED))
    recalled = breast.birads >= 3
    said = {1: 1, 2: 2}.get(breast.birads, 0)
    silent = site == 2 if cancer else unsaid < NO_BIRADS[site]
    return Truth(
        cancer=cancer,
        biopsy=biopsy,
        invasive=any(one.invasive for one in found),
        birads=None if silent else 0 if cancer else said,
        difficult=not cancer and (biopsy or (recalled and bool(hard < DIFFICULT))),
    )
