"""MV-MLM and its training step as one writes them first: what the project's own step is timed against.

The same model from the same sizes: a timm network in float32 as timm builds it, a BERT that runs in every step,
attention written out, two contrastive losses against ``arange`` targets. Nothing is kept between steps, and no layout
is asked for.
"""

from __future__ import annotations

import math

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import BertConfig, BertModel


class Attention(nn.Module):
    """Softmax(QKᵀ/√d)·V over all heads."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        b, n, d = x.shape
        q, k, v = (
            part.view(b, n, self.heads, d // self.heads).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1)
        )
        weights = self.drop((q @ k.transpose(-2, -1) / math.sqrt(d // self.heads)).softmax(dim=-1))
        return self.out((weights @ v).transpose(1, 2).reshape(b, n, d))


class Layer(nn.Module):
    """A pre-norm transformer layer."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, dropout)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        x = x + self.drop(self.attention(self.norm1(x)))
        return x + self.drop(self.down(F.gelu(self.up(self.norm2(x)))))


class Side(nn.Module):
    """One side of the model: positions to tokens, transformer, maximum over the tokens, projection."""

    def __init__(
        self, positions: int, channels: int, tokens: int, width: int, depth: int, heads: int, out: int, p: float
    ):
        super().__init__()
        self.channels, self.mix = nn.Linear(channels, width), nn.Linear(positions, tokens)
        self.place = nn.Parameter(torch.zeros(tokens, width))
        self.layers = nn.ModuleList(Layer(width, heads, p) for _ in range(depth))
        self.norm, self.embed = nn.LayerNorm(width), nn.Linear(width, out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, positions, channels) to unit vectors (B, E)."""
        x = self.mix(self.channels(x).transpose(1, 2)).transpose(1, 2) + self.place
        for layer in self.layers:
            x = layer(x)
        return F.normalize(self.embed(self.norm(x).max(dim=1).values), dim=-1)


class PlainMVMLM(nn.Module):
    """Two views and a report of each breast to the loss L_IT + L_II.

    Parameters
    ----------
    encoder : str
        A timm name.
    size : (int, int)
        Height and width of the images [pixels].
    bert : BertConfig
        Shape of the text encoder; its weights are random.
    train_text : bool
        Whether the text encoder is trained; otherwise it runs without gradients, in every step nevertheless.
    length : int
        Tokens of a text.
    """

    def __init__(
        self,
        encoder: str,
        size: tuple[int, int],
        bert: BertConfig,
        *,
        train_text: bool,
        length: int,
        tokens: int,
        width: int,
        depth: int,
        heads: int,
        projection: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.encoder = timm.create_model(encoder, in_chans=1, features_only=True)
        with torch.no_grad():
            channels, rows, columns = self.encoder.eval()(torch.zeros(1, 1, *size))[-1].shape[1:]
        rest = (tokens, width, depth, heads, projection, dropout)
        self.image = Side(rows * columns, channels, *rest)
        self.text = Side(length, bert.hidden_size, *rest)
        self.bert = BertModel(bert).requires_grad_(train_text)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
        self.train_text = train_text

    def forward(self, images: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Images (B, 2, 1, H, W) in [0, 1], token ids (B, L) and mask (B, L) to the loss."""
        breasts = len(images)
        maps = self.encoder((images.flatten(0, 1) - 0.3) / 0.25)[-1]
        views = self.image(maps.flatten(2).transpose(1, 2)).view(breasts, 2, -1)
        with torch.set_grad_enabled(self.train_text and torch.is_grad_enabled()):
            states = self.bert(input_ids=ids, attention_mask=mask.long()).last_hidden_state
        text = self.text(states * mask[..., None])
        cc, mlo, scale = views[:, 0], views[:, 1], self.log_scale.exp()
        return (info_nce(cc, text, scale) + info_nce(mlo, text, scale)) / 2 + info_nce(cc, mlo, scale)

    def train(self, mode: bool = True) -> PlainMVMLM:
        """A frozen text encoder has no dropout."""
        super().train(mode)
        self.bert.train(mode and self.train_text)
        return self


def info_nce(a: Tensor, b: Tensor, scale: Tensor) -> Tensor:
    """Symmetric InfoNCE of unit vectors (B, E), row i of each being a pair."""
    logits = scale * a @ b.T
    target = torch.arange(len(a), device=a.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def plain_step(model: PlainMVMLM, optimiser: torch.optim.Optimizer, images: Tensor, ids: Tensor, mask: Tensor) -> float:
    """One step of training; the loss."""
    optimiser.zero_grad()
    loss = model(images, ids, mask)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())
