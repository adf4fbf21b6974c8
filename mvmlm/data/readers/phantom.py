"""Simulated exams in VinDr-Mammo's layout, read by VinDr-Mammo's own reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from mvmlm.data.exam_table import validate
from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.readers import DATASETS
from mvmlm.data.readers.vindr import VinDr


@DATASETS.register("phantom")
class Phantom:
    """Data that this project makes itself: no download, no patient, no licence to sign."""

    name: ClassVar[str] = "phantom"
    title: ClassVar[str] = "Simulated mammography exams"
    simulated: ClassVar[bool] = True
    licence: ClassVar[str] = "none needed: simulated"
    where: ClassVar[str] = "made on the spot"
    releasable: ClassVar[bool | None] = True
    tasks: ClassVar[tuple[str, ...]] = VinDr.tasks
    report_fields: ClassVar[frozenset[str]] = VinDr.report_fields
    outcome_fields: ClassVar[frozenset[str]] = VinDr.outcome_fields
    Options = PhantomOptions

    def generate(
        self,
        out_dir: Path,
        options: PhantomOptions,
        workers: int = 1,
        progress: Callable[[int, int], Any] | None = None,
    ) -> None:
        """Write the exams; see `mvmlm.data.phantom.write.generate`."""
        from mvmlm.data.phantom.write import generate

        generate(out_dir, options, workers=workers, progress=progress)

    def read(self, root: Path, options: PhantomOptions | None = None) -> pd.DataFrame:
        """The validated exam table of a folder that `generate` wrote.

        Raises
        ------
        DataError
            As VinDr-Mammo's reader does.
        """
        frame = VinDr().read(root, VinDr.Options())
        levels = frame.attrs["label_level"]
        frame = validate(frame.assign(dataset=self.name))
        frame.attrs["label_level"] = levels
        return frame

    @staticmethod
    def fingerprint(root: Path | None, options: PhantomOptions) -> str:
        """SHA-256 of the options and the generator's version; needs no files, for they follow from these."""
        return options.fingerprint()
