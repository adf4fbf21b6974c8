"""How well and how fast reports are read back: precision and recall by source, reports a second on one core.

    python -m tests.benchmarks extractor

Speed on distinct texts, in seconds of the processor, against a plain reader that searches for each word by itself.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from statistics import median
from typing import Any

SOURCES = ("tabular", "template", "paraphrase")
DROPOUTS = (0.0, 0.2, 0.5)
COUNT, REPEATS = 3000, 3


def main() -> None:
    """Print the tables."""
    heads = ("texts", "precision", "recall", "reports/s", "plain", "ratio")
    print(f"{'source':12s}" + "".join(f"{head:>11s}" for head in heads))
    for source in SOURCES:
        table = precision_and_recall(source, count=COUNT, seed=1)
        precision, recall = (min(pair[i] for pair in table.values()) for i in (0, 1))
        texts = list(dict.fromkeys(text for _, text in drawn(source, COUNT, 2)))
        ours, plain = speed(texts)
        shown = (f"{len(texts):,}", f"{precision:.4f}", f"{recall:.4f}", f"{ours:,.0f}", f"{plain:,.0f}")
        print(f"{source:12s}" + "".join(f"{text:>11s}" for text in (*shown, f"{ours / plain:.1f}")))
    print("precision and recall: of the worst field\n")
    print_fields()
    print_hand_written()


def print_fields() -> None:
    """Precision and recall of every field, by source."""
    tables = {source: precision_and_recall(source, count=COUNT, seed=1) for source in SOURCES}
    print(f"{'field':28s}" + "".join(f"{source:>18s}" for source in SOURCES))
    for name in tables[SOURCES[0]]:
        pairs = ("{:.4f} {:.4f}".format(*table[name]) for table in tables.values())
        print(f"{name:28s}" + "".join(f"{pair:>18s}" for pair in pairs))


def print_hand_written() -> None:
    """The same of hand-written texts, all fields together: those that mended the reader, and those it had not met."""
    from tests.mvmlm.reports.faithfulness_texts import MET, UNMET

    print(f"\n{'hand-written':12s}{'texts':>11s}{'exact':>11s}{'precision':>11s}{'recall':>11s}")
    for name, rows in (("met", MET), ("unmet", UNMET)):
        exact, precision, recall = hand_written(rows)
        print(f"{name:12s}{len(rows):>11d}{exact:>11d}{precision:>11.4f}{recall:>11.4f}")


def hand_written(rows: list) -> tuple[int, float, float]:
    """Texts read without a fault, and precision and recall of all claims, also of those that no record can hold."""
    from mvmlm.reports.faithfulness import extract

    exact = right = claimed = true = 0
    for text, fields, extras in rows:
        truth = {(name, value) for name, of in fields.items() for value in (of if isinstance(of, set) else {of})}
        truth |= {("extra", kind) for kind in extras}
        claims = extract(text)
        found = {(name, value) for name, values in claims.values.items() for value in values}
        found |= {("extra", kind) for kind in claims.extras}
        exact += found == truth
        right, claimed, true = right + len(found & truth), claimed + len(found), true + len(truth)
    return exact, right / claimed, right / true


def drawn(source: str, count: int, seed: int) -> list[tuple[Any, str]]:
    """Random records, some with fields missing, and a text of each."""
    import numpy as np

    from mvmlm.reports.corpus import random_record

    rng = np.random.default_rng(seed)
    return texts_of(source, [random_record(rng, float(rng.choice(DROPOUTS))) for _ in range(count)])


def texts_of(source: str, records: list) -> list[tuple[Any, str]]:
    """Each record with a text of a source."""
    from mvmlm.reports.source import Case, Draw
    from mvmlm.reports.write import make_source

    texts = make_source(source).write([Draw(Case(record), number) for number, record in enumerate(records)])
    return list(zip(records, texts))


def precision_and_recall(source: str, *, count: int, seed: int) -> dict[str, tuple[float, float]]:
    """Field to precision and recall of what is read back, against the records that the texts were made from."""
    from mvmlm.reports.faithfulness import extract
    from mvmlm.reports.record import FINDINGS, RECORD_FIELDS

    right, claimed, true = Counter(), Counter(), Counter()
    for record, text in drawn(source, count, seed):
        truth = {**record.known(), **{f: record.seen(f) for f in FINDINGS if record.seen(f) is not None}}
        truth = {(name, value) for name, value in truth.items()}
        found = {(name, value) for name, values in extract(text).values.items() for value in values}
        for pairs, counter in ((truth, true), (found, claimed), (truth & found, right)):
            counter.update(name for name, _ in pairs)
    return {name: (right[name] / max(1, claimed[name]), right[name] / max(1, true[name])) for name in RECORD_FIELDS}


def speed(texts: list[str]) -> tuple[float, float]:
    """Reports a second of the processor, ours and plain: medians of some repeats, taken in turn."""
    from mvmlm.reports.faithfulness import extract

    times: dict[str, list[float]] = {"ours": [], "plain": []}
    for _ in range(REPEATS):
        for name, act, given in (("ours", extract, texts), ("plain", plain_reader, texts[: len(texts) // 10])):
            began = time.process_time()
            for text in given:
                act(text)
            times[name].append((time.process_time() - began) / len(given))
    return 1 / median(times["ours"]), 1 / median(times["plain"])


def plain_reader(text: str) -> dict[str, list[str]]:
    """Each word of the lexicon looked for in each sentence by a search of its own; no negation, no clauses."""
    from mvmlm.reports.faithfulness.words import FINDING, WORDS

    found: dict[str, list[str]] = {}
    for sentence in re.split(r"(?<=[.;!?])\s+|\n+", text.lower()):
        for name, words in WORDS.items():
            found.setdefault(name, []).extend(word for word in words if re.search(rf"\b{re.escape(word)}\b", sentence))
        for name, (_, pattern) in FINDING.items():
            found.setdefault(name, []).extend(re.findall(rf"\b(?:{pattern})\b", sentence))
    return found
