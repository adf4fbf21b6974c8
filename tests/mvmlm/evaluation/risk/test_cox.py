"""Cox's model against lifelines called directly, and closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from mvmlm.evaluation.risk import cox
from mvmlm.evaluation.risk.cox import fit_cox
from mvmlm.evaluation.risk.survival import FollowUp
from tests.mvmlm.evaluation.risk.test_hazard import sample


def test_risks_are_lifelines_at_the_last_step_before_each_year():
    features, follow = sample(300, 3, 0)
    model = fit_cox(features + 2.0, follow, (1.0, 0.05), years=5)[-1]
    frame = pd.DataFrame(features + 2.0, columns=list("abc")).assign(years=follow.years, event=follow.events)
    theirs = CoxPHFitter(penalizer=0.05).fit(frame, "years", "event")
    np.testing.assert_allclose(model.coefficients, theirs.params_, atol=1e-5)
    curve = theirs.predict_survival_function(frame.iloc[:20])
    steps = [curve.index[curve.index <= year].max() for year in range(1, 6)]
    np.testing.assert_allclose(model.risks(features[:20] + 2.0), 1 - curve.loc[steps].to_numpy().T, atol=1e-5)


def test_it_finds_the_risk_that_was_simulated():
    features, follow = sample(4000, 2, 1)
    (model,) = fit_cox(features, follow, (1e-4,), years=5)
    np.testing.assert_allclose(model.coefficients, [1, 0], atol=0.06)
    np.testing.assert_allclose(model.baseline, 0.1 * np.arange(1, 6), rtol=0.1)


def test_features_that_do_not_vary_have_no_say():
    features, follow = sample(100, 2, 2)
    features[:, 1] = 3.0
    (model,) = fit_cox(features, follow, (0.1,), years=3)
    assert model.coefficients[1] == 0 and model.coefficients[0] != 0


def test_without_any_feature_it_is_nelson_and_aalen():
    follow = FollowUp([0.5, 1.5, 1.7, 4, 4], [1, 1, 0, 1, 0])
    models = fit_cox(np.zeros((5, 2)), follow, (1.0, 0.1), years=4)
    for model in models:
        np.testing.assert_allclose(model.baseline, [1 / 5, 1 / 5 + 1 / 4, 1 / 5 + 1 / 4, 1 / 5 + 1 / 4 + 1 / 2])


def test_no_event_by_a_year_is_no_risk_by_it_and_nothing_overflows():
    features, follow = sample(60, 1, 3)
    follow = FollowUp(follow.years + 1.5, follow.events)
    (model,) = fit_cox(features, follow, (0.01,), years=5)
    risks = model.risks(np.array([[-1e6], [0.0], [1e6]]))
    assert (risks[:, 0] == 0).all() and np.isfinite(risks).all() and risks[2, -1] == 1
    assert (np.diff(risks, axis=1) >= 0).all()


def test_a_strength_at_which_it_does_not_converge_is_left_out(monkeypatch):
    features, follow = sample(80, 2, 4)
    fit = cox._fit
    monkeypatch.setattr(
        cox, "_fit", lambda frame, strength, start: None if strength < 1 else fit(frame, strength, start)
    )
    strong, weak = fit_cox(features, follow, (10.0, 0.1), years=3)
    assert weak is None and strong.coefficients == pytest.approx(
        fit_cox(features, follow, (10.0,), years=3)[0].coefficients
    )
