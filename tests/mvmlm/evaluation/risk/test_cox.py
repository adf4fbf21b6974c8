"""Cox's model against lifelines called directly, and closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.exceptions import ConvergenceError
from scipy.optimize import approx_fprime

from mvmlm.evaluation.risk.cox import _loss, fit_cox, fit_cox_path
from mvmlm.evaluation.risk.survival import FollowUp
from tests.mvmlm.evaluation.risk.test_hazard import sample


def test_risks_are_lifelines_at_the_last_step_before_each_year():
    features, follow = sample(300, 3, 0)
    model = fit_cox(features + 2.0, follow, 0.05, years=5)
    frame = pd.DataFrame(features + 2.0, columns=list("abc")).assign(years=follow.years, event=follow.events)
    theirs = CoxPHFitter(penalizer=0.05).fit(frame, "years", "event")
    np.testing.assert_allclose(model.coefficients, theirs.params_, atol=5e-5)
    curve = theirs.predict_survival_function(frame.iloc[:20])
    steps = [curve.index[curve.index <= year].max() for year in range(1, 6)]
    np.testing.assert_allclose(model.risks(features[:20] + 2.0), 1 - curve.loc[steps].to_numpy().T, atol=5e-5)


@pytest.mark.parametrize("shape", [(300, 4), (40, 60)])
def test_the_path_ends_where_lifelines_does(shape):
    features, follow = sample(*shape, 5)
    features *= np.geomspace(0.1, 10, shape[1])
    ours = fit_cox_path(features, follow, (10.0, 0.5, 0.05), years=5)[-1]
    theirs = fit_cox(features, follow, 0.05, years=5)
    spread = features.std(axis=0)
    np.testing.assert_allclose(ours.coefficients * spread, theirs.coefficients * spread, atol=1e-5)
    np.testing.assert_allclose(ours.risks(features), theirs.risks(features), atol=1e-5)


def test_the_gradient_is_that_of_the_loss():
    features, follow = sample(50, 3, 6)
    follow = FollowUp(np.ceil(follow.years), follow.events)  # tied
    told = {"features": features, "follow": follow, "strength": 0.3}
    point = np.array([0.5, -1.0, 2.0])
    by_differences = approx_fprime(point, lambda p: _loss(p, **told)[0], 1e-7)
    np.testing.assert_allclose(_loss(point, **told)[1], by_differences, atol=1e-5)


def test_it_finds_the_risk_that_was_simulated():
    features, follow = sample(4000, 2, 1)
    model = fit_cox(features, follow, 1e-4, years=5)
    np.testing.assert_allclose(model.coefficients, [1, 0], atol=0.06)
    np.testing.assert_allclose(model.baseline, 0.1 * np.arange(1, 6), rtol=0.1)


def test_features_that_do_not_vary_have_no_say():
    features, follow = sample(100, 2, 2)
    features[:, 1] = 3.0
    for model in (fit_cox(features, follow, 0.1, years=3), *fit_cox_path(features, follow, (0.1,), years=3)):
        assert model.coefficients[1] == 0 and model.coefficients[0] != 0


def test_without_any_feature_it_is_nelson_and_aalen():
    follow = FollowUp([0.5, 1.5, 1.7, 4, 4], [1, 1, 0, 1, 0])
    for model in (
        fit_cox(np.zeros((5, 2)), follow, 1.0, years=4),
        *fit_cox_path(np.ones((5, 2)), follow, (1,), years=4),
    ):
        np.testing.assert_allclose(model.baseline, [1 / 5, 1 / 5 + 1 / 4, 1 / 5 + 1 / 4, 1 / 5 + 1 / 4 + 1 / 2])


def test_no_event_by_a_year_is_no_risk_by_it_and_nothing_overflows():
    features, follow = sample(60, 1, 3)
    follow = FollowUp(follow.years + 1.5, follow.events)
    model = fit_cox(features, follow, 0.01, years=5)
    risks = model.risks(np.array([[-1e6], [0.0], [1e6]]))
    assert (risks[:, 0] == 0).all() and np.isfinite(risks).all() and risks[2, -1] == 1
    assert (np.diff(risks, axis=1) >= 0).all()


def test_where_lifelines_does_not_converge_there_is_no_model(monkeypatch):
    def gives_up(self, *args, **kwargs):
        raise ConvergenceError("no", None)

    monkeypatch.setattr(CoxPHFitter, "fit", gives_up)
    assert fit_cox(*sample(30, 2, 4), 0.1, years=3) is None
