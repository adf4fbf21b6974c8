"""A record and its texts from several sources, side by side: what ``reports preview`` and the page of reports show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.wording import plural
from mvmlm.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from harness.config import CellConfig
    from mvmlm.reports.source import Case

KINDS = ("hallucinated", "contradicted", "omitted")


@dataclass(frozen=True)
class Said:
    """One text.

    Attributes
    ----------
    source : str
        Its source; with the sample's number where there are several.
    marks : dict
        Kind of fault to the fields that have it; empty where the text is faithful and leaves nothing out.
    tokens : int or None
        Of the text encoder, uncut; None where it is not at hand.
    outcome : str
        What became of it, where it is not used as it was written.
    removed : tuple of str
        What post-processing took away.
    """

    source: str
    text: str
    marks: dict[str, tuple[str, ...]]
    tokens: int | None = None
    outcome: str = "kept"
    removed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shown:
    """A record and its texts; ``title`` names the breast, or says that the record was typed."""

    title: str
    fields: dict[str, Any]
    texts: tuple[Said, ...]


def preview(
    cases: Sequence[tuple[str, Case]],
    config: CellConfig,
    sources: Iterable[str],
    *,
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Shown]:
    """Write every case's texts with every source, and check them.

    Parameters
    ----------
    cases : sequence of (str, Case)
        A title each.
    cache : Path, optional
        Folder of answers of language models.

    Raises
    ------
    ConfigError
        When a source or its model cannot be used.
    """
    from mvmlm.models.text_encoder import count_tokens

    written: list[list[Said]] = [[] for _ in cases]
    for name in sources:
        texts = _write(name, [case for _, case in cases], config, cache, progress)
        many = len(texts) > len(cases)
        for place, text in enumerate(texts):
            number = f" {text.draw.sample + 1}" if many else ""
            marks = {kind: getattr(text.verdict, kind) for kind in KINDS if getattr(text.verdict, kind)}
            said = Said(f"{name}{number}", text.text or text.raw, marks, None, text.outcome, text.removed)
            written[place % len(cases)].append(said)
    counts = iter(count_tokens([s.text for texts in written for s in texts], config.text.encoder))
    return [
        Shown(title, case.record.known(), tuple(replace(said, tokens=next(counts)) for said in texts))
        for (title, case), texts in zip(cases, written)
    ]


def _write(name: str, cases: list[Case], config: CellConfig, cache: Path | None, progress: Any) -> list:
    from mvmlm.reports.source import Draw, Setting
    from mvmlm.reports.write import Rules, make_source, write_texts

    reports = config.reports
    options = reports.llm.model_dump(mode="json") if name == "llm" else reports.options
    source = make_source(name, options, Setting(reports.seed, cache, 1, progress))
    rules = Rules(reports.samples, reports.unfaithful, reports.attempts)
    samples = rules.samples if source.varies else 1
    try:
        return write_texts(source, [Draw(case, sample) for sample in range(samples) for case in cases], rules)
    finally:
        source.close()


def typed_case(text: str) -> tuple[str, Case]:
    """A case from ``--record``: YAML such as ``{mass: true, mass_shape: oval, birads: 4}``.

    Raises
    ------
    DataError
        When it is no mapping, or a value is none that its field can have.
    """
    from harness.errors import SpecError
    from harness.yaml_source import parse_yaml
    from mvmlm.reports.record import record_from_breast
    from mvmlm.reports.source import Case

    try:
        given = parse_yaml(text, "--record").data
    except SpecError as error:
        raise DataError(f"--record: {error.problems[0].what}") from error
    if not isinstance(given, dict):
        raise DataError(f"--record: {text!r} is no mapping such as '{{mass: true, birads: 4}}'")
    words = str(given.pop("words", "") or "")
    try:
        return "typed record", Case(record_from_breast(given, list(given)), words)
    except DataError as error:
        raise DataError(f"--record: {error}") from error


def chosen_cases(
    breasts: pd.DataFrame, reader: Any, config: CellConfig, *, breast: str | None, count: int, seed: int
) -> list[tuple[str, Case]]:
    """Cases of a data set's training breasts: the one that is asked for, or some at random, no record twice.

    Half of them have a finding, where that many do: most breasts have none, and their reports are alike.

    Raises
    ------
    DataError
        When there is no such breast among the training patients.
    """
    import numpy as np
    import pandas as pd

    from mvmlm.data.splits import with_split
    from mvmlm.reports.guard import allowed_fields
    from mvmlm.reports.record import FINDINGS, record_from_breast
    from mvmlm.reports.source import Case

    split = {"test_fraction": config.data.test_fraction, "split_seed": config.data.split_seed}
    breasts = with_split(breasts, **split)
    breasts = breasts[breasts["split"] == "train"]
    fields = allowed_fields(reader, config.reports.fields)
    if breast is not None and breast not in breasts.index:
        near = ", ".join(map(str, breasts.index[:3]))
        raise DataError(f"--breast: {breast!r} is no training breast of {reader.title} (such as {near})")
    order = [breast] if breast else np.random.default_rng(seed).permutation(breasts.index).tolist()
    with_finding: dict[Case, str] = {}
    without: dict[Case, str] = {}
    for name in order:
        row = breasts.loc[name]
        words = row.get("report", pd.NA)
        case = Case(record_from_breast(row, fields), "" if pd.isna(words) else str(words))
        seen = any(case.record.seen(finding) for finding in FINDINGS)
        (with_finding if seen else without).setdefault(case, name)
        if len(with_finding) >= count and len(without) >= count:
            break
    half = min(len(with_finding), max(-(-count // 2), count - len(without)))
    chosen = [*list(with_finding.items())[:half], *list(without.items())[: count - half]]
    return [(f"breast {name}", case) for case, name in chosen]


def marks_line(said: Said) -> str:
    """``faithful``, or what is wrong: ``hallucinated prior; omitted age``."""
    wrong = "; ".join(f"{kind} {', '.join(names).replace('_', ' ')}" for kind, names in said.marks.items())
    return wrong or "faithful"


def tokens_line(said: Said, limit: int) -> str:
    """``58 of 128 tokens``, and how many are cut."""
    if said.tokens is None:
        return ""
    if said.tokens <= limit:
        return f"{said.tokens} of {limit} tokens"
    return f"{plural(said.tokens, 'token')}: {said.tokens - limit} are cut"
