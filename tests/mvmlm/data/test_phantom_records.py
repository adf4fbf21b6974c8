"""Who is simulated: rates, ages, densities, assessments, and what metadata alone must not tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import StandardScaler

from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.phantom.findings import CALCIFICATION, MASS
from mvmlm.data.phantom.records import exams_of_test, simulate_exam
from mvmlm.errors import ConfigError

OPTIONS = PhantomOptions(exams=1500)


@pytest.fixture(scope="module")
def breasts() -> pd.DataFrame:
    rows = []
    for index in range(OPTIONS.exams):
        exam = simulate_exam(OPTIONS, index)
        for breast in exam.breasts:
            found = {c for f in breast.findings for c in f.categories}
            rows.append(
                {
                    "exam": index,
                    "age": exam.age,
                    "density": "ABCD".index(exam.density),
                    "machine": exam.equipment.manufacturer,
                    "pixel": exam.pixel_mm,
                    "left": breast.laterality == "L",
                    "mass": MASS in found,
                    "calcification": CALCIFICATION in found,
                    "findings": len(found),
                    "forms": {f.form for f in breast.findings},
                    "birads": breast.birads,
                    "malignancy": breast.birads >= 4,
                }
            )
    return pd.DataFrame(rows)


def metadata_auc(breasts: pd.DataFrame, label: str) -> float:
    known = pd.get_dummies(breasts[["age", "density", "machine", "pixel", "left"]], columns=["machine"]).astype(float)
    features = StandardScaler().fit_transform(known)
    scores = cross_val_predict(LogisticRegression(), features, breasts[label], cv=5, method="predict_proba")
    return roc_auc_score(breasts[label], scores[:, 1])


def test_findings_come_at_the_rates_asked_for(breasts):
    assert breasts["mass"].mean() == pytest.approx(OPTIONS.mass_rate, abs=0.03)
    assert breasts["calcification"].mean() == pytest.approx(OPTIONS.calcification_rate, abs=0.03)
    both = (breasts["mass"] & breasts["calcification"]).mean()
    assert both == pytest.approx(OPTIONS.mass_rate * OPTIONS.calcification_rate, abs=0.02)
    assert 0.15 < breasts["malignancy"].mean() < 0.30


@pytest.mark.parametrize("label", ["mass", "calcification"])
def test_metadata_alone_tell_nothing_of_findings(breasts, label):
    assert 0.45 < metadata_auc(breasts, label) < 0.55


def test_age_tells_a_little_of_malignancy(breasts):
    assert 0.48 < metadata_auc(breasts, "malignancy") < 0.62


def test_assessment_follows_the_findings(breasts):
    none = breasts[breasts["findings"] == 0]
    assert set(none["birads"]) == {1, 2}
    assert breasts.loc[breasts["findings"] > 0, "birads"].min() == 3
    share = {
        form: breasts.loc[breasts["forms"] == {form}, "malignancy"].mean()
        for form in ("round", "spiculated", "punctate", "linear", "coarse")
    }
    assert share["round"] + 0.4 < share["spiculated"]
    assert share["punctate"] + 0.3 < share["linear"]
    assert share["coarse"] == 0
    assert set(breasts["birads"]) == {1, 2, 3, 4, 5}


def test_density_falls_with_age_and_has_the_shares_asked_for(breasts):
    assert -0.45 < breasts["age"].corr(breasts["density"], method="spearman") < -0.15
    shares = breasts["density"].value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(shares, OPTIONS.density_shares, atol=0.05)
    assert breasts["age"].between(30, 90).all()


def test_density_shares_of_vindr_mammo_can_be_had():
    options = replace(OPTIONS, exams=300, density_shares=[0.005, 0.095, 0.765, 0.135])
    letters = [simulate_exam(options, index).density for index in range(options.exams)]
    assert letters.count("C") / len(letters) == pytest.approx(0.765, abs=0.08)


@pytest.mark.parametrize(("exams", "share"), [(10, 0.2), (7, 0.5), (5, 0.0), (5, 1.0)])
def test_test_split_has_its_share(exams, share):
    options = PhantomOptions(exams=exams, test_share=share)
    chosen = exams_of_test(options)
    assert len(chosen) == round(exams * share)
    assert [simulate_exam(options, i).test for i in range(exams)] == [i in chosen for i in range(exams)]


def test_an_exam_does_not_depend_on_how_many_there_are():
    few, many = replace(OPTIONS, exams=3, test_share=0.0), replace(OPTIONS, exams=500, test_share=0.0)
    one, other = simulate_exam(few, 2), simulate_exam(many, 2)
    assert (one.study_id, one.age, one.density) == (other.study_id, other.age, other.density)
    assert [b.birads for b in one.breasts] == [b.birads for b in other.breasts]


def test_density_shares_may_be_a_list():
    base = PhantomOptions()
    assert PhantomOptions(density_shares=list(base.density_shares)).fingerprint() == base.fingerprint()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"exams": 0}, "exams"),
        ({"exams": 2.5}, "exams"),
        ({"seed": -1}, "seed"),
        ({"height": 20}, "height"),
        ({"width": 200}, "width"),
        ({"bits": 8}, "bits"),
        ({"mass_rate": 1.2}, "mass_rate"),
        ({"test_share": "0.2"}, "test_share"),
        ({"mass_contrast": -1}, "mass_contrast"),
        ({"density_shares": (0.5, 0.5)}, "density_shares"),
        ({"density_shares": (0.5, 0.5, 0.5, -0.5)}, "density_shares"),
    ],
)
def test_an_impossible_option_is_named(options, says):
    with pytest.raises(ConfigError, match=f"phantom option {says}"):
        PhantomOptions(**options)
