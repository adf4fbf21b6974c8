"""The project's own report corpus: texts of random records, for training text models from nothing."""

from __future__ import annotations

import numpy as np

from mvmlm.reports.record import DESCRIBES, FINDINGS, TERMS, Record
from mvmlm.reports.tabular import tabular_lines
from mvmlm.reports.template import template_sentences

#: Share of the fields that are dropped from a record; one of these is drawn a record.
DROPOUT = (0.0, 0.2, 0.5)


def random_record(rng: np.random.Generator, dropout: float = 0.0) -> Record:
    """A record with every field drawn uniformly over its whole range, independently of the others.

    Parameters
    ----------
    rng : Generator
    dropout : float in [0, 1]
        Share of the fields that are then forgotten. A descriptor goes with its finding's presence only.
    """
    values: dict[str, object] = {
        "n_views": int(rng.integers(1, 9)),
        "age": int(rng.integers(18, 101)),
        "birads": int(rng.integers(0, 6)),
        **{finding: bool(rng.random() < 0.5) for finding in FINDINGS},
    }
    for field, terms in TERMS.items():
        if values.get(DESCRIBES.get(field, ""), True):
            values[field] = str(rng.choice(terms))
    return Record(**{field: value for field, value in values.items() if rng.random() >= dropout})


def random_texts(n: int, seed: int) -> list[str]:
    """``n`` texts of random records, half tabular and half template, some with their sentences shuffled.

    Parameters
    ----------
    n : int
    seed : int

    Returns
    -------
    list of str
        A quarter of the texts have their lines or sentences in random order; the records' fields are dropped
        at the shares of `DROPOUT`. Texts can repeat.
    """
    rng = np.random.default_rng(seed)
    return [_random_text(rng, tabular=i % 2 == 0) for i in range(n)]


def _random_text(rng: np.random.Generator, tabular: bool) -> str:
    record = random_record(rng, float(rng.choice(DROPOUT)))
    parts = tabular_lines(record) if tabular else template_sentences(record)
    if rng.random() < 0.25:
        parts = [parts[i] for i in rng.permutation(len(parts))]
    return ("\n" if tabular else " ").join(parts)
