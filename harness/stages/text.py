"""Stage ``text``: the frozen text encoder's token states, once a distinct report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts


class TextStage(Stage):
    """Reads the ``text`` section and the reports."""

    name = "text"

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        return {"text": cell.text.model_dump(mode="json"), "identity": facts.text_identity(cell.text.encoder)}

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return ("reports",)

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{super().kind(cell, facts)} {cell.text.encoder}"

    def runtime(self, cell: CellConfig) -> dict:
        from pathlib import Path

        from mvmlm.models.text_encoder import resolve_encoder

        source = resolve_encoder(cell.text.encoder)
        return {"source": str(Path(source).absolute()) if Path(source).is_dir() else source}

    def run(self, context: Context) -> dict:
        import pandas as pd

        from mvmlm.models.text_encoder import encode_texts

        reports = pd.read_parquet(context.inputs["reports"] / "reports.parquet")
        summary = encode_texts(
            reports["text"].tolist(),
            context.runtime["source"],
            context.config["text"]["max_length"],
            context.out,
            device="auto",
        )
        notes = []
        if summary["truncated_texts"]:
            notes.append(
                f"{summary['truncated_texts']} of {summary['texts']} reports are longer than "
                f"{summary['max_length']} tokens and are cut there"
            )
        return {**summary, "encoder": context.config["text"]["encoder"], "notes": notes}
