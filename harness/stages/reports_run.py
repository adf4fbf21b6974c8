"""The work of stage ``reports``: write, check, and tell how true the texts are to their records."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harness.stages.base import Context
from harness.stages.dataset import take_in

if TYPE_CHECKING:
    import pandas as pd

    from mvmlm.reports.write import Reports, Text

KINDS = ("hallucinated", "contradicted", "omitted")


def write(context: Context) -> dict:
    """Write ``reports.parquet``, ``test_reports.parquet``, ``texts.parquet`` (every distinct text and its verdict)."""
    from mvmlm.data.exam_table import breast_table
    from mvmlm.data.readers import DATASETS
    from mvmlm.data.splits import with_split
    from mvmlm.reports.source import Setting
    from mvmlm.reports.write import Rules, make_source, write_reports

    said = context.config["reports"]
    breasts = with_split(breast_table(take_in(context)[0].exams), **context.config["split"])
    source = make_source(
        said["source"],
        _options(said, context),
        Setting(said.get("seed", 0), context.cache, context.threads, context.progress),
    )
    rules = Rules(said["samples"], said.get("unfaithful", "keep"), said.get("attempts", 1))
    try:
        reports = write_reports(breasts, DATASETS.get(context.config["data"]), source, said["fields"], rules)
    finally:
        source.close()
    train = breasts.index[breasts["split"] == "train"]
    table = reports.table(train)
    table.to_parquet(context.out / "reports.parquet", index=False)
    reports.table(breasts.index[breasts["split"] == "test"]).to_parquet(
        context.out / "test_reports.parquet", index=False
    )
    frame_of(reports).to_parquet(context.out / "texts.parquet", index=False)
    return _summary(reports, table, breasts.loc[train], said)


def _options(said: dict, context: Context) -> dict[str, Any]:
    """The source's own options: what the texts depend on, from the key; the rest from this machine."""
    if "llm" in said:
        return {**said["llm"]["options"], **context.runtime["options"]}
    return said.get("options", {})


def frame_of(reports: Reports) -> pd.DataFrame:
    """One row a distinct text: its record as JSON, what was written, what is used, and what is wrong with it."""
    import pandas as pd

    numbers = {case: number for number, case in enumerate(reports.cases)}
    rows = [
        {
            "record": numbers[text.draw.case],
            "sample": text.draw.sample,
            "fields": json.dumps(text.draw.case.record.known()),
            "words": text.draw.case.words,
            "raw": text.raw,
            "text": text.text,
            "outcome": text.outcome,
            "attempts": text.attempts,
            "removed": list(text.removed),
            **{kind: list(names) for kind, names in wrongs(text).items()},
        }
        for text in reports.texts
    ]
    return pd.DataFrame(rows)


def wrongs(text: Text) -> dict[str, tuple[str, ...]]:
    """Kind of fault to the fields that have it."""
    return {kind: getattr(text.verdict, kind) for kind in KINDS}


def _summary(reports: Reports, table: pd.DataFrame, breasts: pd.DataFrame, said: dict) -> dict:
    """Rates over what training reads: each breast's texts, so that a record that many breasts have counts as often."""
    count = reports.case_of.reindex(breasts.index.astype(str)).value_counts()
    numbers = {case: number for number, case in enumerate(reports.cases)}
    weighted = [(text, int(count.get(numbers[text.draw.case], 0))) for text in reports.texts]
    total = sum(weight for _, weight in weighted) or 1
    used = sum(weight for text, weight in weighted if text.text) or 1

    def share(of: int, holds) -> float:
        return sum(weight for text, weight in weighted if holds(text)) / of

    measures = {kind: share(used, lambda t, k=kind: bool(t.text and getattr(t.verdict, k))) for kind in KINDS}
    measures["as_written_unfaithful"] = share(total, lambda t: not t.first.faithful)
    for name, outcome in (("regenerated", "regenerated"), ("replaced", "template"), ("dropped", "dropped")):
        measures[name] = share(total, lambda t, o=outcome: t.outcome == o)
    measures["dropped"] += share(total, lambda t: t.outcome == "empty")
    measures["distinct"] = int(table["text"].nunique())
    measures["records"] = int(table["record"].nunique())
    measures["words"] = float(table["text"].str.split().str.len().mean()) if len(table) else 0.0
    return {
        "reports": len(table),
        "distinct": measures["distinct"],
        "fields": said["fields"],
        "source": said["source"],
        "measures": measures,
        "by_field": _by_field(reports),
        "notes": _notes(said, breasts, table, measures),
    }


def _by_field(reports: Reports) -> dict[str, dict[str, int]]:
    """Kind of fault to field to the number of distinct texts in use that have it."""
    found: dict[str, dict[str, int]] = {kind: {} for kind in KINDS}
    for text in reports.texts:
        for kind, names in wrongs(text).items() if text.text else ():
            for name in names:
                found[kind][name] = found[kind].get(name, 0) + 1
    return {kind: dict(sorted(names.items(), key=lambda item: -item[1])) for kind, names in found.items()}


def _notes(said: dict, breasts: pd.DataFrame, table: pd.DataFrame, measures: dict) -> list[str]:
    """What a reader of the results must know of the texts."""
    from mvmlm.evaluation.tasks import TASKS
    from mvmlm.reports.guard import circular_tasks

    notes = []
    tasks = {TASKS.get(name).column: name for name in TASKS}
    sources = breasts["malignancy_source"].dropna().unique()
    told = circular_tasks(said["fields"], tasks, sources)
    if told and said["source"] != "clinical":
        listed = ", ".join(
            tasks[column] if column in by else f"{tasks[column]} (by {', '.join(by)})" for column, by in told.items()
        )
        notes.append(f"The training reports, which methods with text learn from, state the answers to: {listed}")
    arm = f"reports.source={said['source']}"
    if said.get("unfaithful", "keep") != "keep":
        arm += f", reports.unfaithful={said['unfaithful']}"
    without = len(breasts) - table["breast_id"].nunique()
    if without:
        notes.append(
            f"{arm}: {without} of {len(breasts)} training breasts have no report and take no "
            "part in pretraining"
        )
    if measures["replaced"]:
        share = f"{100 * measures['replaced']:.1f} %"
        notes.append(f"{arm}: {share} of the reports are the template's, in place of untrue ones")
    return notes
