"""CSAW-CC (Karolinska, SND 2021-204-1): screening rounds over years of cases and controls, by years alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.pixels import PICTURE_SUFFIXES
from mvmlm.data.readers import DATASETS, Reader, digest, read_csv
from mvmlm.errors import DataError

TABLE = "CSAW-CC_breast_cancer_screening_data.csv"
COLUMNS = ("anon_patientid", "exam_year", "anon_filename", "x_case", "x_cancer_laterality") + (
    "rad_timing",
    "imagelaterality",
    "viewposition",
)
SIDES = {"Left": "L", "Right": "R"}
DAYS = 365.25
#: ``rad_timing`` to the least and most years from the exam to the diagnosis: within 60 days, 60 to 729, 730 or more.
SCREEN, INTERVAL, EARLIER = 1, 2, 3
SPAN = {SCREEN: (0.0, 0.0), INTERVAL: (60 / DAYS, 729 / DAYS), EARLIER: (730 / DAYS, float("inf"))}
#: Years from the last exam to the diagnosis, and whether that is known: an interval cancer came 60 to 729 days later,
#: one year or so; where the last exam is «earlier», no more is known than two years without cancer.
AFTER_LAST = {SCREEN: (0, True), INTERVAL: (1, True), EARLIER: (2, False)}


@DATASETS.register("csaw_cc")
class CsawCC(Reader):
    """Reads the table, and its files wherever they lie below the root.

    Labels. ``malignancy`` is a cancer that was found at this exam: a case, ``rad_timing`` 1, on the side of the cancer.
    It is false for controls, for the other breast, and two years or more before the diagnosis; on the side of an
    interval cancer it is unknown, for nobody can say whether it was there. Follow-up is the patient's and known to the
    year; a control's ends with her last exam. Cases are all in, controls a sample: no rate here is one of a population.
    LIBRA's percent density is no BI-RADS density and age is one of two bands: neither is mapped. A patient's exam is
    a calendar year. There is no official split.
    """

    name = "csaw_cc"
    title = "CSAW-CC"
    licence = "by application to Karolinska Institutet; its terms come with the approval"
    where = "researchdata.se, dataset 2021-204-1 (doi 10.5878/45vm-t798), on request"
    releasable = None
    tasks = ("malignancy", "risk")
    layout = f"{TABLE}, <patient>_20990909_<L|R>_<CC|MLO>_<n>.dcm anywhere below"
    labels: ClassVar[dict[str, str]] = {
        "malignancy": (
            "x_case 1, rad_timing 1 (found within 60 days) and x_cancer_laterality of this side; unknown on that side "
            "for rad_timing 2; false else; of the breast in this exam"
        ),
        "event": "x_case of the patient; false where her last exam is two years or more before the diagnosis",
        "years_to_event": (
            "calendar years from exam_year to the exam of the diagnosis (one later for an interval cancer), within "
            "what rad_timing says of the exam; else to her last exam: a lower bound"
        ),
        "exam_date": "exam_year; the date in the file's name is a dummy",
    }
    #: Counted in the published table; an exam is a calendar year of a patient.
    published: ClassVar[dict[str, int]] = {"images": 98788, "exams": 24694, "patients": 8723}
    report_fields = frozenset(("laterality", "n_views"))
    outcome_fields = frozenset(
        ("malignancy", "event", "years_to_event")
        + ("x_case", "x_type", "x_lymphnode_met", "x_cancer_laterality", "rad_timing", "rad_recall")
    )

    def rows(self, root: Path, options: Reader.Options, log: Log) -> pd.DataFrame:
        _check(root)
        given = read_csv(root / TABLE, COLUMNS, dtype=str).apply(lambda column: column.str.strip())
        files = dict(_files(root))
        name = given["anon_filename"]
        stem = name.str.replace(r"\.\w+$", "", regex=True)
        patient = given["anon_patientid"].str.removesuffix(".0")
        year = pd.to_numeric(given["exam_year"], errors="coerce")
        exam = patient + "_" + year.astype("Int64").astype("string")
        side = given["imagelaterality"].map(lambda said: SIDES.get(said, said))
        table = pd.DataFrame(
            {
                "dataset": self.name,
                "patient_id": patient,
                "exam_id": exam,
                "breast_id": exam + "_" + side,
                "image_id": stem,
                "laterality": side,
                "view": given["viewposition"],
                "path": stem.map(files).fillna(name),
                "exam_date": year.astype("Int64").astype("string"),
            }
        )
        case, timing = _coded("x_case", given, (0, 1)), _coded("rad_timing", given, tuple(SPAN))
        cancer_side = given["x_cancer_laterality"].map(SIDES)
        table["malignancy"] = _malignancy(case, timing, side, cancer_side)
        table["malignancy_source"] = table["malignancy"].map({True: "pathology", False: "pathology"})
        table = table.join(_follow_up(patient, year, case, timing))
        _tell(table, case, timing, log)
        return table

    @classmethod
    def fingerprint(cls, root: Path | None, options: Reader.Options | None = None) -> str:
        root = Path(root)
        _check(root)
        images = (root / path for _, path in _files(root))
        return digest(root, [root / TABLE], images, options or cls.Options())


def _check(root: Path) -> None:
    if not (root / TABLE).is_file():
        raise DataError(f"{root}: no CSAW-CC here; expected {CsawCC.layout}")


def _files(root: Path) -> Iterator[tuple[str, str]]:
    """Name without suffix, and path below the root, of every image; one walk, for there are 98,788."""
    for folder, below, files in os.walk(root):
        below.sort()
        place = Path(folder).relative_to(root)
        for file in sorted(files, reverse=True):
            stem, suffix = os.path.splitext(file)
            if suffix.lower() in (".dcm", *PICTURE_SUFFIXES) and stem.count("_") == 4:
                yield stem, (place / file).as_posix()


def _coded(column: str, given: pd.DataFrame, codes: tuple[int, ...]) -> pd.Series:
    found = pd.to_numeric(given[column], errors="coerce")
    bad = given.loc[given[column].notna() & ~found.isin(codes), column]
    if len(bad):
        known = ", ".join(map(str, codes))
        raise DataError(f"{TABLE}: {column}: {len(bad)} cells are none of {known} (such as {bad.iloc[0]!r})")
    return found.astype("Int64")


def _malignancy(case: pd.Series, timing: pd.Series, side: pd.Series, cancer_side: pd.Series) -> pd.Series:
    near = timing.isin((SCREEN, INTERVAL))
    here = (side == cancer_side).astype("boolean").mask(cancer_side.isna() & near)
    found = (case == 1) & (timing == SCREEN) & here
    unknown = (case == 1) & (timing.isna() | ((timing == INTERVAL) & here.fillna(True)))
    return found.astype("boolean").mask((case == 0).fillna(False), False).mask(unknown.fillna(False))


def _follow_up(patient: pd.Series, year: pd.Series, case: pd.Series, timing: pd.Series) -> pd.DataFrame:
    """``event`` and ``years_to_event`` of each row, from its patient's last exam."""
    exams = pd.DataFrame({"patient": patient, "year": year, "timing": timing})
    last = (
        exams.sort_values("year", kind="stable").drop_duplicates("patient", keep="last").set_index("patient")
    )
    last_year, last_timing = patient.map(last["year"]), patient.map(last["timing"])
    ill = (case == 1).fillna(False)
    known = {code: told for code, (_, told) in AFTER_LAST.items()}
    more = last_timing.map({code: years for code, (years, _) in AFTER_LAST.items()})
    event = last_timing.map(known).astype("boolean").where(ill, False)
    years = (last_year - year + more.where(ill, 0)).astype("Float64")
    least, most = (timing.map({code: span[end] for code, span in SPAN.items()}) for end in (0, 1))
    years = years.clip(least.where(ill, 0).fillna(0), most.where(ill, float("inf")).fillna(float("inf")))
    unknown = case.isna() | event.isna() | years.isna()
    return pd.DataFrame({"event": event.mask(unknown), "years_to_event": years.mask(unknown)})


def _tell(table: pd.DataFrame, case: pd.Series, timing: pd.Series, log: Log) -> None:
    patients = table["patient_id"]
    cases, everyone = patients[(case == 1).fillna(False)].nunique(), patients.nunique()
    log.note(
        f"{cases} of {everyone} patients are cases, by design: no rate of cancer here is one of screening"
    )
    log.note(
        "years are calendar years, so follow-up is blurred by up to a year, and of controls a lower bound"
    )
    unknown = int((case == 1).fillna(False).mul(table["malignancy"].isna()).sum())
    if unknown:
        log.note(f"{unknown} images of cases have unknown malignancy: interval cancers, or no rad_timing")
    views = table.groupby("breast_id")["view"]
    more = int((views.size() > views.nunique()).sum())
    if more:
        log.note(f"{more} breasts have a view more than once in a year; the first by image_id pairs")
