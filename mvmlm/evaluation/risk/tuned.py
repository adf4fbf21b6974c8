"""What a training of the encoder to risk leaves beside the embeddings: its hazard layer, and who chose its epoch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mvmlm.errors import DataError
from mvmlm.evaluation.risk.hazard import HazardLayer

LAYER = "layer.json"


@dataclass(frozen=True, eq=False)
class TunedLayer:
    """The additive-hazard layer as it was trained together with an encoder.

    Attributes
    ----------
    layer : HazardLayer
        On the fused features of an exam, not standardised.
    validation : tuple of str
        Patients of the training split who chose epoch and learning rate, and whom the encoder was not trained on.
    """

    layer: HazardLayer
    validation: tuple[str, ...]

    def risks(self, features: np.ndarray) -> np.ndarray:
        """P(event within 1, 2, … years), shape (n, years), from the fused features of exams, (n, D).

        What is unknown, as a difference is where an exam has one side alone, counts as 0, as in the training.
        """
        return self.layer.risks(np.nan_to_num(features))

    def write(self, folder: Path) -> None:
        """Write ``layer.json``."""
        said = {
            "weights": self.layer.weights.tolist(),
            "intercepts": self.layer.intercepts.tolist(),
            "validation": list(self.validation),
        }
        (Path(folder) / LAYER).write_text(json.dumps(said))

    @classmethod
    def read(cls, folder: Path) -> TunedLayer:
        """Read what `write` wrote.

        Raises
        ------
        DataError
            If the file is missing or cannot be read.
        """
        try:
            said = json.loads((Path(folder) / LAYER).read_text())
            layer = HazardLayer(np.array(said["weights"]), np.array(said["intercepts"]))
            return cls(layer, tuple(said["validation"]))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"no whole hazard layer in {folder} ({error}): fine-tune this cell again") from error
