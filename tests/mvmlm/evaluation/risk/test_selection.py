"""Strength chosen on folds of training patients."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.logistic import DEFAULT_STRENGTH
from mvmlm.evaluation.risk.cox import fit_cox, fit_cox_path
from mvmlm.evaluation.risk.hazard import fit_hazard
from mvmlm.evaluation.risk.options import RiskOptions
from mvmlm.evaluation.risk.selection import Fitter, choose_and_fit
from mvmlm.evaluation.risk.survival import FollowUp
from tests.mvmlm.evaluation.risk.test_hazard import sample

HAZARD = partial(fit_hazard, years=4, mask="ipcw")
FITTERS = {
    "hazard": Fitter(HAZARD, lambda features, follow, strength: HAZARD(features, follow, (strength,))[0]),
    "cox": Fitter(partial(fit_cox_path, years=4), partial(fit_cox, years=4)),
}
OPTIONS = RiskOptions(years=4, strengths=(0.001, 0.1, 10.0, 1000.0), folds=3)


def choose(name: str, features: np.ndarray, follow: FollowUp, options: RiskOptions = OPTIONS, seed: int = 0):
    patients = np.array([f"p{i // 2}" for i in range(len(follow))])
    return choose_and_fit(FITTERS[name], features, follow, patients, options, "ipcw", seed)


@pytest.mark.parametrize("name", FITTERS)
def test_noise_is_held_down_and_a_signal_let_through(name):
    features, follow = sample(400, 20, 0)
    noise = np.random.default_rng(1).standard_normal((400, 20))
    assert choose(name, noise, follow).strength >= 10
    found = choose(name, features, follow)
    assert found.strength <= 0.1 and found.chosen_by == "cross-validation" and found.folds == 3
    assert found.cv_loss[found.strength] == min(found.cv_loss.values())


@pytest.mark.parametrize("name", FITTERS)
def test_it_is_the_same_each_time_and_folds_follow_the_seed(name):
    features, follow = sample(150, 5, 2)
    one, two, other = (choose(name, features, follow, seed=seed).cv_loss for seed in (0, 0, 1))
    assert one == two and one != other


def test_too_few_patients_with_an_event_get_the_default():
    features, follow = sample(40, 3, 3)
    follow = FollowUp(follow.years, np.arange(40) == 5)
    found = choose("hazard", features, follow)
    assert (found.strength, found.chosen_by, found.folds) == (DEFAULT_STRENGTH, "default", 0)


def test_rows_that_are_held_out_choose_in_place_of_folds():
    features, follow = sample(300, 5, 2)
    held, patients = np.arange(300) >= 200, np.arange(300)
    found = choose_and_fit(FITTERS["cox"], features, follow, patients, OPTIONS, "ipcw", 0, held)
    assert (found.chosen_by, found.folds) == ("validation", 1)
    upside_down = np.where(held[:, None], -features, features)  # what is learnt of the others is wrong of them
    assert choose_and_fit(FITTERS["cox"], upside_down, follow, patients, OPTIONS, "ipcw", 0, held).strength == 1000.0
    nobody = choose_and_fit(FITTERS["cox"], features, follow, patients, OPTIONS, "ipcw", 0, held & False)
    assert (nobody.strength, nobody.chosen_by) == (DEFAULT_STRENGTH, "default")


def test_one_candidate_is_taken_as_given():
    found = choose("cox", *sample(60, 3, 4), RiskOptions(years=4, strengths=(0.5,)))
    assert (found.strength, found.chosen_by) == (0.5, "given")


def test_a_final_fit_that_fails_is_said():
    features, follow = sample(100, 3, 5)
    fails = replace(FITTERS["cox"], final=lambda features, follow, strength: None)
    with pytest.raises(DataError, match=r"does not converge at strength 0\.1: add larger"):
        choose_and_fit(fails, features, follow, np.arange(100), RiskOptions(years=4, strengths=(0.1,)), "ipcw", 0)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"model": "coxx"}, "one of hazard, cox"),
        ({"fuse": "sum"}, "one of mean, max"),
        ({"mask": "none"}, "one of ipcw, mirai"),
        ({"years": 0}, "from 1 to 30"),
        ({"exclude_months": -1}, "at least 0"),
        ({"exclude_months": 60}, "less than the 5 years"),
        ({"strengths": ()}, "at least one"),
        ({"draws": 0}, "at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong, says):
    with pytest.raises(ConfigError, match=says):
        RiskOptions(**wrong)
