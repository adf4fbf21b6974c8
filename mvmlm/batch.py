"""What a method sees of the data: a batch of breasts."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from mvmlm.data.pixels import WHITE


@dataclass(frozen=True)
class Batch:
    """A batch of ``B`` breasts with ``V`` views each (0: CC, 1: MLO); or of other rows, such as exams of four views.

    Attributes
    ----------
    images : Tensor, shape (B, V, 1, H, W), float32 in [0, 1], or None
        A missing view is all zeros and marked in ``view_mask``. Until `to` they are uint16, as stored: half the bytes
        to read, to keep and to move. None where only who is who matters: what `Method.objective` reads.
    view_mask : Tensor, shape (B, V), bool
        True where the view exists.
    patient : Tensor, shape (B,), int64
        Equal numbers mean the same patient.
    text : Tensor, optional
        Token states of the frozen text encoder, shape (B, L, D), float32; or, where the text encoder is trained, token
        ids, shape (B, L), int64.
    text_mask : Tensor, shape (B, L), bool, optional
        True at real tokens.
    other_text, other_mask : Tensor, optional
        The same of another text of each breast, the same one where it has no other.
    text_id : Tensor, shape (B,), int64, optional
        Equal numbers mean the same report: one text, or wordings of one record.
    labels : Tensor, shape (B,), float32, optional
        The task's label in {0, 1}, NaN where unknown; or whatever else a fine-tuning reads of a row, shape (B, …).
    """

    images: Tensor | None
    view_mask: Tensor
    patient: Tensor
    text: Tensor | None = None
    text_mask: Tensor | None = None
    text_id: Tensor | None = None
    labels: Tensor | None = None
    other_text: Tensor | None = None
    other_mask: Tensor | None = None

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on ``device``, images as float32 in [0, 1]."""
        held = {f.name: getattr(self, f.name) for f in fields(self)}
        moved = {k: v.to(device, non_blocking=True) for k, v in held.items() if v is not None}
        if "images" in moved and moved["images"].dtype == torch.uint16:
            moved["images"] = moved["images"].to(torch.float32).mul_(1 / WHITE)
        return replace(self, **moved)

    def __len__(self) -> int:
        return len(self.view_mask)
