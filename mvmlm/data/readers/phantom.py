"""Simulated exams in VinDr-Mammo's layout, read by VinDr-Mammo's own reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.readers import DATASETS, Reader
from mvmlm.data.readers.vindr import VinDr


@DATASETS.register("phantom")
class Phantom(Reader):
    """Data that this project makes itself: no download, no patient, no agreement to sign."""

    Options = PhantomOptions

    name = "phantom"
    title = "simulated mammography exams"
    simulated = True
    licence = "none needed"
    where = "made on the spot"
    releasable = True
    tasks = VinDr.tasks
    layout, labels = VinDr.layout, VinDr.labels
    report_fields = VinDr.report_fields
    outcome_fields = VinDr.outcome_fields

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

    def rows(self, root: Path, options: PhantomOptions, log: Log) -> pd.DataFrame:
        """Those of a folder that `generate` wrote; it lacks nothing, so ``options`` is not looked at."""
        return VinDr().rows(root, VinDr.Options(), log).assign(dataset=self.name)

    @classmethod
    def fingerprint(cls, root: Path | None, options: PhantomOptions) -> str:
        """SHA-256 of the options and the generator's version; needs no files, for they follow from these."""
        return options.fingerprint()
