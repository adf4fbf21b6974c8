"""Contrastive losses between breasts, with explicit treatment of pairs that are no honest negatives."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_SCALE = 100.0
"""Largest inverse temperature, the usual clamp of CLIP."""


class Temperature(nn.Module):
    """The inverse temperature that similarities are multiplied by, learnt on a logarithmic scale.

    Parameters
    ----------
    start : float
        Temperature at the start; 0.07 is CLIP's.
    learn : bool
        Whether it is learnt, and the bias with it.
    bias : float, optional
        Of the sigmoid loss at the start, added to every similarity; −10 is SigLIP's, which makes nearly all pairs
        negative to begin with. None where there is no such loss.
    """

    def __init__(self, start: float = 0.07, learn: bool = True, bias: float | None = None) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(1.0 / start)), requires_grad=learn)
        self.bias = None if bias is None else nn.Parameter(torch.tensor(float(bias)), requires_grad=learn)

    def forward(self) -> Tensor:
        """The scale, at most 100.

        The weight itself is held back, as CLIP does: a clamp of the value alone would leave a weight beyond
        it without a gradient, and so there for good.
        """
        with torch.no_grad():
            self.log_scale.clamp_(max=math.log(MAX_SCALE))
        return self.log_scale.exp()


def info_nce(
    a: Tensor,
    b: Tensor,
    scale: Tensor,
    *,
    excluded: Tensor | None = None,
    same: Tensor | None = None,
    within: bool = False,
) -> Tensor:
    """Symmetric InfoNCE between two sets of embeddings, row ``i`` of each being a pair.

    Parameters
    ----------
    a, b : Tensor, shape (B, E)
        L2-normalised.
    scale : Tensor, scalar
        Inverse temperature.
    excluded : Tensor, shape (B, B), bool, optional
        Pairs that are neither positive nor negative; the diagonal is never excluded.
    same : Tensor, shape (B, B), bool, optional
        Pairs that are positive beside the diagonal; a row's target is spread evenly over its positives.
    within : bool
        Whether a row of ``a`` has the other rows of ``a`` among its negatives too, and likewise in ``b``: SimCLR's
        NT-Xent (Chen et al. 2020).

    Returns
    -------
    Tensor, scalar
        Mean of both directions: the cross-entropy of picking a row's partner (van den Oord et al. 2018;
        CLIP).
    """
    diagonal = torch.eye(len(a), dtype=torch.bool, device=a.device)
    barred = torch.zeros_like(diagonal) if excluded is None else excluded & ~diagonal
    positive = (diagonal if same is None else same | diagonal) & ~barred
    logits = _similarities(a, b, scale).masked_fill(barred, -torch.inf)
    if not within:
        return 0.5 * (_cross_entropy(logits, positive) + _cross_entropy(logits.T, positive.T))
    unlike = barred | diagonal | positive
    own = [_similarities(x, x, scale).masked_fill(unlike, -torch.inf) for x in (a, b)]
    return 0.5 * (_cross_entropy(logits, positive, own[0]) + _cross_entropy(logits.T, positive.T, own[1]))


def sigmoid_loss(
    a: Tensor, b: Tensor, scale: Tensor, bias: Tensor, *, excluded: Tensor | None = None, same: Tensor | None = None
) -> Tensor:
    """Each pair a yes-or-no question by itself: SigLIP's loss (Zhai et al. 2023, equation 1).

    Parameters
    ----------
    a, b, scale, excluded, same
        As in `info_nce`.
    bias : Tensor, scalar
        Added to the scaled similarities.

    Returns
    -------
    Tensor, scalar
        Sum of the pairs' log losses over B, as SigLIP divides.
    """
    diagonal = torch.eye(len(a), dtype=torch.bool, device=a.device)
    positive = diagonal if same is None else same | diagonal
    logits = _similarities(a, b, scale) + bias
    losses = F.softplus(torch.where(positive, -logits, logits))
    if excluded is not None:
        losses = losses.masked_fill(excluded & ~diagonal, 0.0)
    return losses.sum() / len(a)


def unit(vectors: Tensor) -> Tensor:
    """Vectors (…, E) at length one, in float32 at least."""
    return F.normalize(whole_precision(vectors), dim=-1)


def whole_precision(numbers: Tensor) -> Tensor:
    """Half-precision numbers as float32, others as they are."""
    return numbers.float() if numbers.dtype in (torch.float16, torch.bfloat16) else numbers


def _similarities(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """In float32 at least, whatever autocast says: bf16 has three digits, too few at a scale of 100."""
    a, b = whole_precision(a), whole_precision(b)
    with torch.autocast(a.device.type, enabled=False):
        return scale.to(a.dtype) * (a @ b.T)


def _cross_entropy(logits: Tensor, positive: Tensor, further: Tensor | None = None) -> Tensor:
    """Mean over the rows; ``further`` are logits of more negatives."""
    among = logits if further is None else torch.cat([logits, further], dim=1)
    picked = (logits - among.logsumexp(dim=1, keepdim=True)).masked_fill(~positive, 0.0)
    return -(picked.sum(dim=1) / positive.sum(dim=1)).mean()


def pair_masks(
    patient: Tensor, text_id: Tensor | None, *, same_patient: str, same_report: str
) -> tuple[Tensor, Tensor | None]:
    """Which pairs of breasts are set aside and which count as further positives.

    Parameters
    ----------
    patient, text_id : Tensor, shape (B,), int64
    same_patient : {'mask', 'negative'}
        The other breast of one patient: set aside (the paper's negatives are other patients), or a negative.
    same_report : {'mask', 'negative', 'positive'}
        Breasts with the same report, one text or wordings of one record: set aside, negatives, or positives. Synthetic
        reports repeat, so this is an explicit choice. Set aside and positive hold for the breasts of one patient too,
        whatever ``same_patient`` says: her two texts are one and the same input.

    Returns
    -------
    excluded : Tensor, shape (B, B), bool
    same : Tensor, shape (B, B), bool, or None
    """
    of_patient = patient[:, None] == patient[None]
    excluded = of_patient if same_patient == "mask" else torch.zeros_like(of_patient)
    if text_id is None or same_report == "negative":
        return excluded, None
    of_report = text_id[:, None] == text_id[None]
    if same_report == "mask":
        return excluded | of_report, None
    return excluded & ~of_report, of_report
