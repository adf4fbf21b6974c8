"""Stage ``text``: the frozen text encoder's token states, once a distinct report; not there where it is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts


class TextStage(Stage):
    """Reads the encoder, the length that texts are cut to, and the reports."""

    name = "text"

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        text = cell.text.model_dump(mode="json", include={"encoder", "max_length"})
        return {"text": text, "identity": facts.text_identity(cell.text.encoder)}

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return ("reports",)

    def kind(self, cell: CellConfig, facts: Facts) -> str:
        return f"{super().kind(cell, facts)} {cell.text.encoder}"

    def runtime(self, cell: CellConfig) -> dict:
        return {"source": encoder_source(cell.text.encoder)}

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
        measures = {"truncated": summary["truncated_texts"] / summary["texts"]}
        encoder = context.config["text"]["encoder"]
        return {**summary, "encoder": encoder, "measures": measures, "notes": cut_notes(summary)}


def encoder_source(encoder: str) -> str:
    """What a worker loads the text encoder from: a hub id, or a folder by its whole path."""
    from pathlib import Path

    from mvmlm.models.text_encoder import resolve_encoder

    source = resolve_encoder(encoder)
    return str(Path(source).absolute()) if Path(source).is_dir() else source


def cut_notes(summary: dict) -> list[str]:
    """What a reader must know of texts that are too long; ``summary`` is of `encode_texts` or `tokenize_texts`."""
    if not summary["truncated_texts"]:
        return []
    return [
        f"{summary['truncated_texts']} of {summary['texts']} reports are longer than "
        f"{summary['max_length']} tokens and are cut there"
    ]
