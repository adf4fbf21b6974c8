"""Features of exams from those of breasts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mvmlm.evaluation.risk.exam_features import exam_features, standardise

NAN = [np.nan, np.nan]
BREASTS = pd.DataFrame(
    {"exam_id": ["a", "a", "b", "b", "c", "d"], "laterality": ["L", "R", "L", "R", "R", "L"]}, dtype="string"
)
FEATURES = np.array([[1.0, 2], [3, -2], NAN, [5, 6], [7, 8], NAN])
EXAMS = pd.Index(["d", "c", "a", "b"], dtype="string")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("mean", [NAN, [7, 8], [2, 0], [5, 6]]),
        ("max", [NAN, [7, 8], [3, 2], [5, 6]]),
        ("mean_max", [NAN + NAN, [7, 8, 7, 8], [2, 0, 3, 2], [5, 6, 5, 6]]),
        ("mean_difference", [NAN + NAN, [7, 8, *NAN], [2, 0, 2, 4], [5, 6, *NAN]]),
    ],
)
def test_breasts_are_fused_by_the_named_rule(rule, expected):
    np.testing.assert_array_equal(exam_features(FEATURES, BREASTS, EXAMS, rule), expected)


def test_exams_that_are_not_asked_for_take_no_part():
    np.testing.assert_array_equal(exam_features(FEATURES, BREASTS, EXAMS[1:2], "mean"), [[7, 8]])


def test_features_are_standardised_by_the_training_rows_and_the_unknown_is_their_mean():
    train = np.array([[1.0, 5, np.nan], [3, 5, 4], [5, 5, 6]])
    test, mine = standardise(np.array([[3.0, 9, np.nan], [7, 5, 5]]), train)
    np.testing.assert_allclose(mine.mean(axis=0), 0, atol=1e-12)
    assert mine[:, 0].std() == pytest.approx(1)
    assert (mine[:, 1] == 0).all() and (test[:, 1] == 0).all()  # constant in training: nothing to learn from
    np.testing.assert_allclose(test[:, 0], [0, 4 / np.std([1, 3, 5])])
    np.testing.assert_allclose(test[:, 2], 0)


def test_a_feature_that_no_training_row_knows_is_nothing():
    test, mine = standardise(np.array([[2.0]]), np.array([[np.nan], [np.nan]]))
    assert test.tolist() == [[0.0]] and mine.tolist() == [[0.0], [0.0]]
