"""Simulated exams in the layouts of VinDr-Mammo, RSNA and EMBED, each read by the real set's own reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd

from mvmlm.data.intake import Log
from mvmlm.data.phantom import PhantomEmbedOptions, PhantomOptions, PhantomRsnaOptions
from mvmlm.data.phantom.options import SimulationOptions
from mvmlm.data.readers import DATASETS, Reader
from mvmlm.data.readers.embed import Embed
from mvmlm.data.readers.rsna import Rsna
from mvmlm.data.readers.vindr import VinDr


class Simulated(Reader):
    """Data that this project makes itself: no download, no patient, no agreement to sign.

    Attributes
    ----------
    real : type
        Reader of the set whose layout it is: labels, and what may enter a report, are that one's.
    """

    simulated = True
    licence = "none needed"
    where = "made on the spot"
    releasable = True
    real: ClassVar[type[Reader]]

    def __init_subclass__(cls, real: type[Reader], **more: Any) -> None:
        super().__init_subclass__(**more)
        cls.real = real
        cls.tasks, cls.layout, cls.labels = real.tasks, real.layout, real.labels
        cls.report_fields, cls.outcome_fields = real.report_fields, real.outcome_fields

    def generate(
        self,
        out_dir: Path,
        options: SimulationOptions,
        workers: int = 1,
        progress: Callable[[int, int], Any] | None = None,
    ) -> None:
        """Write the exams; see `mvmlm.data.phantom.write.generate`."""
        from mvmlm.data.phantom.write import generate

        generate(out_dir, options, workers=workers, progress=progress)

    def rows(self, root: Path, options: SimulationOptions, log: Log) -> pd.DataFrame:
        """Those of a folder that `generate` wrote; it lacks nothing, so ``options`` is not looked at."""
        return self.real().rows(root, self.real.Options(), log).assign(dataset=self.name)

    @classmethod
    def fingerprint(cls, root: Path | None, options: SimulationOptions) -> str:
        """SHA-256 of the options and the generator's version; needs no files, for they follow from these."""
        return options.fingerprint()


@DATASETS.register("phantom")
class Phantom(Simulated, real=VinDr):
    """Findings with boxes, BI-RADS, density; one exam a woman, an official split."""

    Options = PhantomOptions

    name = "phantom"
    title = "simulated mammography exams"


@DATASETS.register("phantom_rsna")
class PhantomRsna(Simulated, real=Rsna):
    """Cancer by pathology, two sites, compressed files."""

    Options = PhantomRsnaOptions

    name = "phantom_rsna"
    title = "simulated mammography exams of two sites, with pathology"


@DATASETS.register("phantom_embed")
class PhantomEmbed(Simulated, real=Embed):
    """Several exams a woman over years, findings in structured terms, pathology, follow-up."""

    Options = PhantomEmbedOptions

    name = "phantom_embed"
    title = "simulated mammography exams over years, with follow-up"
