"""The transformer over tokens."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """A pre-norm transformer block; feed-forward four times as wide (both ours: the paper says neither)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        batch, count, width = tokens.shape
        p = self.dropout if self.training else 0.0
        query, key, value = (
            self.qkv(self.norm1(tokens)).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=p)
        tokens = tokens + F.dropout(self.out(mixed.transpose(1, 2).reshape(batch, count, width)), p)
        return tokens + F.dropout(self.down(F.gelu(self.up(self.norm2(tokens)))), p)


class Transformer(nn.Module):
    """``depth`` blocks and a last norm; ``depth`` 0 leaves the tokens as they are.

    Parameters
    ----------
    width, depth, heads : int
    dropout : float
    """

    def __init__(self, width: int, depth: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width) if depth else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) to (B, N, D)."""
        for block in self.blocks:
            tokens = block(tokens)
        return self.norm(tokens)
