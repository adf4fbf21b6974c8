"""The row that reads the reports and no image: how much of a task's label the training texts give away."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from mvmlm.evaluation.cohort import select_cohort
from mvmlm.evaluation.logistic import ProbeOptions, fit_and_score
from mvmlm.evaluation.protocols import Evaluation, as_options
from mvmlm.evaluation.scoring import score_test
from mvmlm.evaluation.tasks import Task

#: Words and pairs of words, the most frequent ones of the training texts. Ours; reports of one source have fewer.
MOST_WORDS = 2000
#: A word is letters and digits; «no» and «4» are words here.
WORD = r"(?u)\b\w+\b"


def run_text(
    breasts: pd.DataFrame,
    task: Task,
    *,
    fraction: float,
    seed: int,
    options: ProbeOptions | Mapping[str, Any] | None = None,
    texts: pd.Series,
) -> Evaluation:
    """The linear probe's classifier on a bag of words, over the training and test breasts of the other rows.

    An AUC near 1 says that pretraining on these texts is label supervision by another name.

    Parameters
    ----------
    texts : Series
        ``breast_id`` to report, of training and test patients. A breast without one has no words.
    """
    options = as_options(ProbeOptions, options)
    cohort = select_cohort(breasts, task, fraction=fraction, seed=seed)
    train_texts, test_texts = (texts.reindex(part.index).fillna("") for part in (cohort.train, cohort.test))
    train_words, test_words, names = bag_of_words(train_texts, test_texts)
    fit, scores = fit_and_score(train_words, cohort.train, test_words, options, seed, len(task.classes))
    return score_test(
        cohort,
        task,
        scores,
        draws=options.draws,
        interval=options.interval,
        reference=fit.out_of_fold,
        details={
            "baseline": "text",
            "fraction": fraction,
            "seed": seed,
            "words": len(names),
            "telling_words": fit.of_each_class(task.classes, partial(_telling, names)),
            "without_text": {"train": int((train_texts == "").sum()), "test": int((test_texts == "").sum())},
            **fit.details(),
        },
    )


def bag_of_words(train: pd.Series, other: pd.Series) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Which words and pairs of neighbours a text has; the vocabulary is that of the training texts.

    Returns
    -------
    (train, other, words) : (ndarray, shape (n_train, W), float32; ndarray, shape (n_other, W), float32; list of str)
        Without any word in the training texts, one column of zeros.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(binary=True, ngram_range=(1, 2), token_pattern=WORD, max_features=MOST_WORDS)
    try:
        seen = counter.fit_transform(train)
    except ValueError:  # not a word in all of them
        return np.zeros((len(train), 1), np.float32), np.zeros((len(other), 1), np.float32), [""]
    words = counter.get_feature_names_out().tolist()
    return seen.toarray().astype(np.float32), counter.transform(other).toarray().astype(np.float32), words


def _telling(names: list[str], coefficients: np.ndarray, count: int = 10) -> dict[str, float]:
    """The words that weigh most, per standard deviation."""
    order = np.argsort(-np.abs(coefficients), kind="stable")[:count]
    return {names[i]: round(float(coefficients[i]), 4) for i in order}
