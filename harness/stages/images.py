"""Stage ``images``: every image decoded once into the memory-mapped store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Node, Stage
from harness.stages.dataset import data_inputs, data_runtime, data_slice, take_in

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts
    from mvmlm.data.intake import Intake


class ImagesStage(Stage):
    """Reads the data set and the ``images`` section."""

    name = "images"
    version = 3

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        return {
            **data_slice(cell, facts),
            "follow_links": cell.data.follow_links,
            "images": cell.images.model_dump(mode="json"),
        }

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return data_inputs(cell, facts)

    def runtime(self, cell: CellConfig) -> dict:
        return {**data_runtime(cell), "max_bad_share": cell.data.max_bad_share}

    def run(self, context: Context) -> dict:
        from harness.stages.licence import release_note, write_licence
        from mvmlm.data.build_store import build_image_store
        from mvmlm.data.readers import DATASETS

        intake, root = take_in(context)
        summary = build_image_store(
            intake.exams,
            root,
            context.out,
            **context.config["images"],
            follow_links=context.config["follow_links"],
            set_aside=intake.set_aside,
            workers=context.threads,
            max_bad_share=context.runtime["max_bad_share"],
            work_dir=context.work,
            progress=context.progress,
        )
        reader = DATASETS.get(context.config["data"])
        write_licence(context.out, reader)
        notes = [*release_note(reader), *_notes(summary, intake, context.config["data"])]
        return {**summary, "apart": intake.apart, "notes": notes}


def over_limit(node: Node, summary: dict) -> str:
    """Why a finished store cannot be used: more of it is bad than this run's limit allows; empty where it can."""
    total, limit = summary["images"] + summary["bad"], node.runtime["max_bad_share"]
    if summary["bad"] <= limit * total + 1e-9:
        return ""
    return (
        f"{summary['bad']} of {total} images of {node.config['data']} cannot be used, more than "
        f"data.max_bad_share={limit:g} allows: {'; '.join(summary['set_aside_examples'])}"
    )


def _notes(summary: dict, intake: Intake, data: str) -> list[str]:
    """What was set aside or resolved, and where the picture contradicts the table."""
    notes, of = [f"{data}: {note}" for note in intake.notes], summary["images"] + summary["set_aside"]
    if intake.apart:
        listed = ", ".join(f"{count} {what}" for what, count in intake.apart.items())
        notes.append(f"Kept apart from {data}, being no standard images of it: {listed}")
    if summary["set_aside"]:
        examples = "; ".join(summary["set_aside_examples"])
        notes.append(f"{summary['set_aside']} of {of} images of {data} cannot be used and are set aside ({examples})")
    if summary["flipped_against_tag"]:
        notes.append(
            f"{summary['flipped_against_tag']} of {of} images of {data} have the chest wall on the other side than "
            "their laterality says"
        )
    if summary["regions_lost"]:
        notes.append(f"{summary['regions_lost']} marked regions of {data} are lost: their mask files cannot be used")
    if summary["same_pixels"]:
        across = summary["same_across_splits"]
        notes.append(
            f"{summary['same_pixels']} of {of} images of {data} are the very picture of another one"
            f"{f', {across} times in training and test set' if across else ''} "
            f"({'; '.join(summary['same_pixels_examples'])})"
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
