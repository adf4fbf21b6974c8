"""Reports of a whole breast table: written once a distinct record, checked, and what is not faithful dealt with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any

import pandas as pd

from mvmlm.errors import ConfigError, DataError
from mvmlm.registry import did_you_mean
from mvmlm.reports.guard import allowed_fields
from mvmlm.reports.record import record_from_breast
from mvmlm.reports.source import SOURCES, Case, Draw, Setting, Source
from mvmlm.reports.template import template_sentences

if TYPE_CHECKING:
    from mvmlm.reports.faithfulness.check import Verdict

UNFAITHFUL = ("keep", "regenerate", "template", "drop")
#: What became of a text: as written; written again; replaced by the template's; left out; nothing was written at all.
OUTCOMES = ("kept", "regenerated", "template", "dropped", "empty")


@dataclass(frozen=True)
class Rules:
    """How many texts a record has, and what happens to those that are not faithful to it.

    Attributes
    ----------
    samples : int
        Texts a record, of sources that vary.
    unfaithful : {"keep", "regenerate", "template", "drop"}
        For sources that invent: a text that states what its record does not hold, or another value, is kept; asked
        for again up to ``attempts`` times, and then replaced by the template's; replaced at once; or left out.
    attempts : int
    """

    samples: int = 1
    unfaithful: str = "keep"
    attempts: int = 3

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise ConfigError(f"reports.samples: {self.samples} texts a record are too few: 1 or more")
        if self.unfaithful not in UNFAITHFUL:
            hint = did_you_mean(self.unfaithful, UNFAITHFUL)
            raise ConfigError(f"reports.unfaithful: {self.unfaithful!r} is none of {', '.join(UNFAITHFUL)}{hint}")


@dataclass(frozen=True)
class Text:
    """One text and what is known of it.

    Attributes
    ----------
    text : str
        As it is used; empty where it is left out.
    raw : str
        As the source wrote it.
    outcome : str
        One of `OUTCOMES`.
    verdict : Verdict
        Of ``text``.
    first : Verdict
        Of what the source wrote at the first attempt, cleaned.
    removed : tuple of str
        Kinds of what post-processing took away.
    attempts : int
        How often it was written.
    """

    draw: Draw
    text: str
    raw: str
    outcome: str
    verdict: Verdict
    first: Verdict
    removed: tuple[str, ...] = ()
    attempts: int = 1


@dataclass(frozen=True)
class Reports:
    """Reports of a breast table.

    Attributes
    ----------
    cases : list of Case
        The distinct ones, by number.
    case_of : Series
        ``breast_id`` to number of its case.
    texts : list of Text
        By sample, then by case.
    """

    cases: list[Case]
    case_of: pd.Series
    texts: list[Text] = field(repr=False)

    def table(self, breasts: Iterable[str] | None = None) -> pd.DataFrame:
        """Columns ``breast_id, record, sample, text``: what a training reads, for all or some breasts.

        Texts that are left out have no row; ``sample`` counts those that are there.
        """
        of_case: dict[int, list[str]] = {}
        numbers = {case: number for number, case in enumerate(self.cases)}
        for text in self.texts:
            if text.text:
                of_case.setdefault(numbers[text.draw.case], []).append(text.text)
        wanted = self.case_of if breasts is None else self.case_of.loc[list(breasts)]
        rows = [
            (breast, case, sample, text)
            for breast, case in wanted.items()
            for sample, text in enumerate(of_case.get(case, ()))
        ]
        table = pd.DataFrame(rows, columns=["breast_id", "record", "sample", "text"])
        return table.astype({"breast_id": "string", "text": "string", "record": "int64", "sample": "int64"})


def write_reports(
    breasts: pd.DataFrame,
    reader: Any,
    source: Source,
    fields: Iterable[str] | None = None,
    rules: Rules | None = None,
) -> Reports:
    """The reports of every breast; equal records are written once.

    Parameters
    ----------
    breasts : DataFrame
        A breast table (index ``breast_id``). Nothing here knows of splits.
    reader : dataset reader
        Whose allow-list holds; see `mvmlm.reports.guard.allowed_fields`.
    source : Source
        From `make_source`.
    fields : iterable of str, optional
        The fields that enter; by default all that the data set allows but `guard.ON_REQUEST`.
    rules : Rules, optional

    Returns
    -------
    Reports
        The same input gives the same texts.

    Raises
    ------
    ConfigError
        If a field is unknown or refused.
    DataError
        If breasts have values that no report can say; counted, with up to three named.
    """
    rules = rules or Rules()
    per_breast = _cases(breasts, allowed_fields(reader, fields), with_words=source.reads_words)
    cases = list(dict.fromkeys(per_breast))
    numbers = {case: number for number, case in enumerate(cases)}
    samples = rules.samples if source.varies else 1
    draws = [Draw(case, sample) for sample in range(samples) for case in cases]
    case_of = pd.Series([numbers[case] for case in per_breast], index=breasts.index.astype(str), dtype="int64")
    return Reports(cases, case_of, write_texts(source, draws, rules))


def write_texts(source: Source, draws: list[Draw], rules: Rules) -> list[Text]:
    """One `Text` a draw: written, cleaned and checked, and dealt with by ``rules`` where it is not faithful."""
    texts = _write(source, draws)
    if not source.invents:
        return texts
    if rules.unfaithful == "regenerate":
        texts = _again(source, texts, rules.attempts)
    return [_settle(text, rules.unfaithful) for text in texts]


def make_source(name: str, options: Mapping[str, Any] | None = None, setting: Setting | None = None) -> Source:
    """The source called ``name`` with its settings; an unknown one of either is a `ConfigError`."""
    kind = SOURCES.get(name)
    known = [f.name for f in fields_of(kind.Options)]
    for option in options or {}:
        if option not in known:
            hint = did_you_mean(option, known)
            has = ", ".join(known) or "none"
            raise ConfigError(f"report source {name!r} has no option {option!r}{hint} (it has: {has})")
    return kind(kind.Options(**(options or {})), setting)


def is_usable(text: Text) -> bool:
    """Whether there is a text, and it is faithful."""
    return bool(text.text) and text.verdict.faithful


def _write(source: Source, draws: list[Draw]) -> list[Text]:
    from mvmlm.reports.faithfulness import check, clean

    texts = []
    for draw, raw in zip(draws, source.write(draws), strict=True):
        text, removed = raw, ()
        if source.invents:
            cleaned = clean(raw, draw.case.record)
            text, removed = cleaned.text, cleaned.removed
        verdict = check(draw.case.record, text)
        texts.append(Text(draw, text, raw, "kept" if text else "empty", verdict, verdict, removed))
    return texts


def _again(source: Source, texts: list[Text], attempts: int) -> list[Text]:
    """Ask again for those that are not faithful; the faithful ones stay."""
    texts = list(texts)
    for attempt in range(1, attempts + 1):
        wrong = [place for place, text in enumerate(texts) if not is_usable(text)]
        if not wrong:
            break
        draws = [replace(texts[place].draw, attempt=attempt) for place in wrong]
        for place, text in zip(wrong, _write(source, draws)):
            outcome = "regenerated" if text.text else "empty"
            texts[place] = replace(text, outcome=outcome, attempts=attempt + 1, first=texts[place].first)
    return texts


def _settle(text: Text, unfaithful: str) -> Text:
    if is_usable(text) or unfaithful == "keep":
        return text
    if unfaithful == "drop":
        return replace(text, text="", outcome="dropped")
    from mvmlm.reports.faithfulness import check

    record = text.draw.case.record
    instead = " ".join(template_sentences(record))
    return replace(text, text=instead, outcome="template", verdict=check(record, instead))


def _cases(breasts: pd.DataFrame, fields: tuple[str, ...], *, with_words: bool) -> list[Case]:
    absent = [name for name in fields if name not in breasts.columns]
    if absent:
        raise DataError(f"the breast table lacks columns that the reports need: {', '.join(absent)}")
    cases: list[Case] = []
    wrong: list[str] = []
    words = [""] * len(breasts)
    if with_words:
        words = _words(breasts)
    for breast_id, row, said in zip(breasts.index, breasts[list(fields)].to_dict("records"), words):
        try:
            cases.append(Case(record_from_breast(row, fields), said))
        except DataError as error:
            wrong.append(f"{breast_id}: {error}")
    if wrong:
        examples = "; ".join(wrong[:3])
        raise DataError(f"{len(wrong)} of {len(breasts)} breasts cannot be put into a report, as {examples}")
    return cases


def _words(breasts: pd.DataFrame) -> list[str]:
    if "report" not in breasts or breasts["report"].isna().all():
        raise DataError(
            "reports.source=clinical: this data set has no report text (column report); choose template, paraphrase or "
            "llm, which write from its annotations"
        )
    return breasts["report"].fillna("").astype(str).tolist()


__all__ = ["OUTCOMES", "UNFAITHFUL", "Reports", "Rules", "Text", "make_source", "write_reports", "write_texts"]
