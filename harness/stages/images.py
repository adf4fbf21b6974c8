"""Stage ``images``: every image decoded once into the memory-mapped store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage
from harness.stages.dataset import data_inputs, data_runtime, data_slice, read_exams

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts


class ImagesStage(Stage):
    """Reads the data set and the ``images`` section."""

    name = "images"
    version = 2

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        return {
            **data_slice(cell, facts),
            "max_bad_share": cell.data.max_bad_share,
            "images": cell.images.model_dump(mode="json"),
        }

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return data_inputs(cell, facts)

    def runtime(self, cell: CellConfig) -> dict:
        return data_runtime(cell)

    def run(self, context: Context) -> dict:
        from mvmlm.data.image_store import build_image_store

        exams, root = read_exams(context)
        summary = build_image_store(
            exams,
            root,
            context.out,
            **context.config["images"],
            workers=context.threads,
            max_bad_share=context.config["max_bad_share"],
            progress=context.progress,
        )
        return {**summary, "notes": _notes(summary, context.config["data"])}


def _notes(summary: dict, data: str) -> list[str]:
    """What was set aside, and where the picture contradicts the table."""
    notes, of = [], summary["images"] + summary["set_aside"]
    if summary["set_aside"]:
        examples = "; ".join(summary["set_aside_examples"])
        notes.append(f"{summary['set_aside']} of {of} images of {data} cannot be used and are set aside ({examples})")
    if summary["flipped_against_tag"]:
        notes.append(
            f"{summary['flipped_against_tag']} of {of} images of {data} have the chest wall on the other side than "
            "their laterality says"
        )
    if summary["without_window"]:
        notes.append(
            f"{summary['without_window']} of {of} images of {data} have no window and are shown between their extremes"
        )
    if summary["dim"]:
        notes.append(
            f"{summary['dim']} of {of} images of {data} use less than a quarter of the grey range; "
            "images.intensity=percentile would stretch each breast by itself"
        )
    return notes
