"""Stage ``images``: every image decoded once into the memory-mapped store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.stages.base import Context, Stage
from harness.stages.dataset import data_inputs, data_slice, read_exams

if TYPE_CHECKING:
    from harness.config import CellConfig
    from harness.facts import Facts


class ImagesStage(Stage):
    """Reads the data set and the ``images`` section."""

    name = "images"

    def config(self, cell: CellConfig, facts: Facts) -> dict:
        return {
            **data_slice(cell, facts),
            "max_bad_share": cell.data.max_bad_share,
            "images": cell.images.model_dump(mode="json"),
        }

    def inputs(self, cell: CellConfig, facts: Facts) -> tuple[str, ...]:
        return data_inputs(cell, facts)

    def kind(self, config: dict) -> str:
        size = config["images"]
        return f"images {config['data']} {size['height']}×{size['width']}"

    def runtime(self, cell: CellConfig) -> dict:
        return {"data_root": cell.data.root}

    def run(self, context: Context) -> dict:
        from mvmlm.data.image_store import build_image_store

        exams, root = read_exams(context)
        return build_image_store(
            exams,
            root,
            context.out,
            **context.config["images"],
            workers=context.threads,
            max_bad_share=context.config["max_bad_share"],
            progress=context.progress,
        )
