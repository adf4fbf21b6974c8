"""Real report text: as it was written, without what came of it."""

from types import SimpleNamespace

import pandas as pd
import pytest

from mvmlm.errors import DataError
from mvmlm.reports import write_reports
from mvmlm.reports.clinical import clinical_text
from mvmlm.reports.write import make_source
from tests.real_images import REAL, needs_real_images

READER = SimpleNamespace(name="toy", report_fields=frozenset({"mass", "age"}), outcome_fields=frozenset())


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("High density mass$Vascular calcifications", "High density mass. Vascular calcifications."),
        ("Normal", "Normal."),
        ("Mass with  speculated margin ", "Mass with speculated margin."),
        ("Oval mass.\nOval mass", "Oval mass."),
        ("Mass. Biopsy proved invasive ductal carcinoma. Edema", "Mass. Edema."),
        ("Known malignancy, after chemotherapy", ""),
        ("", ""),
    ],
)
def test_findings_stay_and_outcomes_go(words, text):
    assert clinical_text(words) == text


def test_breasts_with_the_same_record_keep_their_own_words_and_those_without_any_have_no_report():
    table = pd.DataFrame(
        {"mass": [True, True, True], "age": [50, 50, 50], "report": ["Oval mass", "Mass, margin obscured", pd.NA]},
        index=["a", "b", "c"],
    )
    reports = write_reports(table, READER, make_source("clinical")).table()
    assert reports.set_index("breast_id")["text"].to_dict() == {"a": "Oval mass.", "b": "Mass, margin obscured."}
    assert write_reports(table, READER, make_source("template")).table()["text"].nunique() == 1


def test_a_data_set_without_words_is_told_of():
    table = pd.DataFrame({"mass": [True], "age": [50]}, index=["a"])
    with pytest.raises(DataError, match=r"reports\.source=clinical: this data set has no report text"):
        write_reports(table, READER, make_source("clinical"))


@needs_real_images
def test_real_findings_of_cdd_cesm_become_reports():
    from mvmlm.data.exam_table import breast_table
    from mvmlm.data.readers import DATASETS

    reader = DATASETS.get("cdd_cesm")
    exams = reader().take_in(REAL / "cdd_cesm", reader.Options()).exams
    reports = write_reports(breast_table(exams), reader, make_source("clinical")).table()
    assert len(reports) > 20 and reports["text"].nunique() > 10
    assert reports["text"].str.contains("mass", case=False).any()
    assert not reports["text"].str.contains(r"\$|carcinoma|malignan", case=False).any()
