"""The project's own report corpus: random records and their texts, for training text models from nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from mvmlm.reports.paraphrase import paraphrase
from mvmlm.reports.record import DESCRIBES, FINDINGS, TERMS, Record
from mvmlm.reports.tabular import tabular_lines
from mvmlm.reports.template import template_sentences

#: Share of the fields that are dropped from a record; one of these is drawn a record.
DROPOUT = (0.0, 0.2, 0.5, 0.8)
#: Share of the records that look like a screening data set's.
SCREENING = 1 / 3

#: How often a screening data set knows a field, and how its values are spread. All of these are ours: rough, so
#: that no table of a real set is in the corpus, and wide, so that every value is met.
_KNOWN = {"age": 0.7, "density": 0.85, "n_views": 0.7, "birads": 0.75, "mass_size": 0.7, "findings": 0.85}
_DENSITIES = {"A": 0.1, "B": 0.35, "C": 0.4, "D": 0.15}
_BIRADS = {0: 0.08, 1: 0.45, 2: 0.22, 3: 0.09, 4: 0.1, 5: 0.06}
_VIEWS = {1: 0.1, 2: 0.75, 3: 0.08, 4: 0.07}
_PRESENT = 0.15


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
        "prior": bool(rng.random() < 0.5),
        "implant": bool(rng.random() < 0.5),
        **{finding: bool(rng.random() < 0.5) for finding in FINDINGS},
    }
    if values["mass"]:
        values["mass_size"] = int(rng.integers(1, 121))
    for field, terms in TERMS.items():
        if values.get(DESCRIBES.get(field, ""), True):
            values[field] = str(rng.choice(terms))
    return Record(**{field: value for field, value in values.items() if rng.random() >= dropout})


def screening_record(rng: np.random.Generator) -> Record:
    """A record as a screening data set gives them: few fields, no descriptor but a size, most findings absent."""
    values: dict[str, object] = {
        "n_views": _drawn(_VIEWS, rng),
        "age": int(np.clip(rng.normal(55, 14), 18, 100)),
        "density": _drawn(_DENSITIES, rng),
        "birads": _drawn(_BIRADS, rng),
    }
    values = {field: value for field, value in values.items() if rng.random() < _KNOWN[field]}
    values |= {f: bool(rng.random() < _PRESENT) for f in FINDINGS if rng.random() < _KNOWN["findings"]}
    if values.get("mass") and rng.random() < _KNOWN["mass_size"]:
        values["mass_size"] = int(np.clip(np.exp(rng.normal(2.8, 0.6)), 1, 120))
    return Record(**values)


def corpus_record(rng: np.random.Generator) -> Record:
    """A record of the corpus: a share of `SCREENING` are screening records, the others uniform with `DROPOUT`."""
    if rng.random() < SCREENING:
        return screening_record(rng)
    return random_record(rng, float(rng.choice(DROPOUT)))


@dataclass(frozen=True)
class Example:
    """A record and one text about it."""

    record: Record
    text: str


def draw_examples(rng: np.random.Generator) -> Iterator[Example]:
    """Corpus records, each with a paraphrase of its own, for ever. Short ones can repeat."""
    while True:
        record = corpus_record(rng)
        yield Example(record, " ".join(paraphrase(record, rng)))


def distinct_examples(n: int, seed: int) -> list[Example]:
    """The first ``n`` examples whose records differ."""
    found: dict[Record, Example] = {}
    examples = draw_examples(np.random.default_rng(seed))
    while len(found) < n:
        example = next(examples)
        found.setdefault(example.record, example)
    return list(found.values())


def random_texts(n: int, seed: int) -> list[str]:
    """``n`` texts of corpus records, in thirds tabular, template and paraphrase, some with their sentences shuffled.

    Parameters
    ----------
    n : int
    seed : int

    Returns
    -------
    list of str
        A quarter of the texts have their lines or sentences in random order. Texts can repeat.
    """
    rng = np.random.default_rng(seed)
    kinds: tuple[tuple[Callable[[Record], list[str]], str], ...] = (
        (tabular_lines, "\n"),
        (template_sentences, " "),
        (lambda record: paraphrase(record, rng), " "),
    )
    return [_random_text(rng, *kinds[i % len(kinds)]) for i in range(n)]


def _random_text(rng: np.random.Generator, say: Callable[[Record], list[str]], between: str) -> str:
    parts = say(corpus_record(rng))
    if rng.random() < 0.25:
        parts = [parts[i] for i in rng.permutation(len(parts))]
    return between.join(parts)


def _drawn(shares: dict, rng: np.random.Generator) -> object:
    return list(shares)[int(rng.choice(len(shares), p=list(shares.values())))]
