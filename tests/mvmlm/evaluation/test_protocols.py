"""An evaluation survives the disk, a broken one says so, and evaluating needs no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from mvmlm.errors import ConfigError, DataError
from mvmlm.evaluation.linear_probe import run
from mvmlm.evaluation.logistic import ProbeOptions
from mvmlm.evaluation.metrics import auc
from mvmlm.evaluation.protocols import PROTOCOLS, Evaluation, as_options
from mvmlm.evaluation.tasks import TASKS
from tests.mvmlm.evaluation.synthetic import breast_table, features_for


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    breasts = breast_table()
    return run(features_for(breasts), breasts, TASKS.get("mass"), fraction=1.0, seed=0, options={"draws": 50})


def test_reading_gives_back_what_was_written(evaluation, tmp_path):
    evaluation.write(tmp_path / "cell")
    back = Evaluation.read(tmp_path / "cell")
    pd.testing.assert_frame_equal(back.predictions, evaluation.predictions)
    assert back.metrics == evaluation.metrics
    assert next(iter(back.metrics)) == "auc@breast"
    assert back.details == evaluation.details
    assert list(back.draws) == list(evaluation.draws)
    for name, drawn in evaluation.draws.items():
        assert back.draws[name].dtype == np.float32
        np.testing.assert_array_equal(back.draws[name], drawn)


def test_the_metric_can_be_computed_again_from_the_file(evaluation, tmp_path):
    evaluation.write(tmp_path)
    kept = Evaluation.read(tmp_path).predictions
    assert auc(kept["label"], kept["score"]) == evaluation.metrics["auc@breast"]


@pytest.mark.parametrize("name", ["predictions.parquet", "metrics.json", "draws.npy", "details.json"])
@pytest.mark.parametrize("fault", ["missing", "half", "empty"])
def test_a_broken_evaluation_is_one_clear_error(evaluation, tmp_path, name, fault):
    evaluation.write(tmp_path)
    whole = (tmp_path / name).read_bytes()
    if fault == "missing":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(whole[: len(whole) // 2] if fault == "half" else b"")
    with pytest.raises(DataError, match=r"no whole evaluation in .*evaluate this cell again"):
        Evaluation.read(tmp_path)


def test_predictions_that_are_logits_carry_their_probabilities():
    breasts = breast_table(80)
    scores = np.linspace(-3, 3, len(breasts))[:, None]
    found = PROTOCOLS.get("finetune")(scores, breasts, TASKS.get("mass"), fraction=1.0, seed=0).predictions
    np.testing.assert_allclose(found["p1"], 1 / (1 + np.exp(-found["score"])))


def test_the_probe_is_found_by_name():
    assert PROTOCOLS.get("linear_probe") is run
    with pytest.raises(ConfigError, match="did you mean 'linear_probe'"):
        PROTOCOLS.get("linear_prob")


def test_options_come_from_a_mapping_a_dataclass_or_nothing():
    assert as_options(ProbeOptions, None) == ProbeOptions()
    assert as_options(ProbeOptions, {"strengths": [1, 10], "folds": 3}) == ProbeOptions((10.0, 1.0), folds=3)
    own = ProbeOptions(draws=7)
    assert as_options(ProbeOptions, own) is own
    with pytest.raises(ConfigError, match="unknown option 'strength'; did you mean 'strengths'"):
        as_options(ProbeOptions, {"strength": 1})


@pytest.mark.parametrize(
    "wrong", [{"strengths": []}, {"strengths": [0.0]}, {"folds": 1}, {"draws": 0}, {"threads": 0}]
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ProbeOptions(**wrong)


def test_evaluating_imports_no_torch():
    """Evaluation workers are many and short; torch would be most of their start."""
    code = (
        "import sys\n"
        "from mvmlm.evaluation.protocols import PROTOCOLS\n"
        "from mvmlm.evaluation.no_image import BASELINES\n"
        "from mvmlm.evaluation.tasks import TASKS\n"
        "from tests.mvmlm.evaluation.synthetic import breast_table, features_for\n"
        "PROTOCOLS.names()\n"
        "assert 'sklearn' not in sys.modules, 'listing protocols must not load scikit-learn'\n"
        "b = breast_table()\n"
        "asked = dict(fraction=1.0, seed=0, options={'draws': 5})\n"
        "PROTOCOLS.get('linear_probe')(features_for(b), b, TASKS.get('mass'), **asked)\n"
        "told = {'text': {'texts': b['mass'].astype(str)}}\n"
        "[run(b, TASKS.get('mass'), **asked, **told.get(name, {})) for name, run in BASELINES.items()]\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
