"""Source ``paraphrase``: the facts of ``template``, each said in one of several ways drawn at random.

The control for variation: what an ablation finds of it comes from wording that changes, and from no language model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from mvmlm.reports import phrases
from mvmlm.reports.record import FINDINGS, Record
from mvmlm.reports.source import SOURCES, Draw, Source
from mvmlm.reports.template import place


@SOURCES.register("paraphrase")
class Paraphrase(Source):
    """A stochastic grammar: every fact has several wordings, and findings come in any order."""

    varies = True

    def write(self, draws: Sequence[Draw]) -> list[str]:
        """One text a draw."""
        return [" ".join(paraphrase(draw.case.record, _generator(draw, self.setting.seed))) for draw in draws]


def _generator(draw: Draw, seed: int) -> np.random.Generator:
    """Draws that follow from the record and the sample alone: other records change nothing."""
    said = repr((seed, sorted(asdict(draw.case.record).items()), draw.sample, draw.attempt))
    return np.random.default_rng(int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "big"))


def paraphrase(record: Record, rng: np.random.Generator) -> list[str]:
    """The sentences of one record, worded at random. What is unknown is not mentioned.

    Parameters
    ----------
    record : Record
    rng : Generator
    """
    say = _Speaker(rng)
    before = [say.technique(record), say.age(record)]
    before += [say.one_of(words[value]) for words, value in _simple(record) if value is not None]
    findings = [say.mass(record), say.calcification(record), *say.others(record)]
    findings = [findings[i] for i in rng.permutation(len(findings))]
    negatives = say.negatives(record)
    findings = [negatives, *findings] if rng.random() < 0.25 else [*findings, negatives]
    parts = [*before, *findings, say.assessment(record)]
    return [f"{part[0].upper()}{part[1:]}." for part in parts if part]


def _simple(record: Record) -> list[tuple[dict, object]]:
    return [
        (phrases.PRIOR, record.prior),
        (phrases.IMPLANT, record.implant),
        (phrases.COMPOSITION, record.density),
    ]


class _Speaker:
    """Draws wordings; each method gives a sentence without its full stop, or nothing."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def one_of(self, choices: Sequence[str]) -> str:
        return choices[int(self.rng.integers(len(choices)))]

    def technique(self, record: Record) -> str:
        where = self.one_of(phrases.SIDES[record.laterality or ""])
        if record.n_views is None:
            return self.one_of(phrases.TECHNIQUE).format(where=where)
        number = self.one_of((str(record.n_views), phrases.NUMBERS.get(record.n_views, str(record.n_views))))
        views = f"{number} view{'s' if record.n_views > 1 else ''}"
        return self.one_of(phrases.TECHNIQUE_OF_VIEWS).format(where=where, views=views)

    def age(self, record: Record) -> str:
        return "" if record.age is None else self.one_of(phrases.AGE).format(age=record.age)

    def mass(self, record: Record) -> str:
        if not record.seen("mass"):
            return ""
        shape = record.mass_shape or ""
        density = self.one_of(phrases.MASS_DENSITY[record.mass_density]) if record.mass_density else ""
        size = self.size(record.mass_size)
        margin = record.mass_margin
        behind = [self.one_of(phrases.MARGIN).format(margin=margin, article=_article(margin))] if margin else []
        if size and self.rng.random() < 0.5:
            front, size = f"{size} ", ""
        else:
            front = ""
        behind += [self.one_of(phrases.SIZE).format(size=size)] if size else []
        what = " ".join(word for word in (shape, density, self.one_of(phrases.MASS)) if word)
        noun = f"{front}{what}{''.join(f' {words}' for words in behind)}"
        return self.seen(noun, place(record.mass_location, record.mass_depth))

    def size(self, millimetres: int | None) -> str:
        if millimetres is None:
            return ""
        return self.one_of((f"{millimetres} mm", f"{millimetres / 10:g} cm"))

    def calcification(self, record: Record) -> str:
        if not record.seen("calcification"):
            return ""
        spread, form = record.calcification_distribution, record.calcification_morphology
        where = place(record.calcification_location, record.calcification_depth)
        noun = self.one_of(phrases.CALCIFICATIONS)
        if spread and self.rng.random() < 0.5:
            noun, spread = f"{spread} {noun}", None
            form = form and self.one_of(phrases.MORPHOLOGY_BEHIND).format(morphology=form)
            noun = f"{noun} {form}" if form else noun
        else:
            noun = f"{form} {noun}" if form else noun
        spread = spread and self.one_of(phrases.DISTRIBUTION).format(distribution=spread)
        return self.seen(f"{noun} {spread}" if spread else noun, where, plural=True)

    def others(self, record: Record) -> list[str]:
        """Asymmetry and architectural distortion, which have no descriptors."""
        said = [self.seen(self.one_of(phrases.ASYMMETRY)) if record.asymmetry else ""]
        return [*said, self.seen("architectural distortion", article=False) if record.architectural_distortion else ""]

    def seen(self, noun: str, where: str = "", *, plural: bool = False, article: bool = True) -> str:
        """A sentence that says that something is there."""
        named = noun if plural or not article else f"{_article(noun)} {noun}"
        verb = "are" if plural else "is"
        return self.one_of(phrases.SEEN).format(noun=named, verb=verb, where=where).strip()

    def negatives(self, record: Record) -> str:
        """One sentence that denies all that is known absent, in random order."""
        absent = [f for f in FINDINGS if record.seen(f) is False]
        if not absent:
            return ""
        words = [self.one_of(phrases.ABSENT[absent[i]]) for i in self.rng.permutation(len(absent))]
        *most, last = words
        return self.one_of(phrases.DENIED).format(what=f"{', '.join(most)} or {last}" if most else last)

    def assessment(self, record: Record) -> str:
        if record.birads is None:
            return ""
        words = self.one_of(phrases.ASSESSMENT[record.birads])
        return self.one_of(phrases.CATEGORY).format(category=record.birads, words=words)


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" or noun.startswith(("8", "11 ", "18 ")) else "a"
