"""Any number of positions to N tokens, and N tokens to one vector, each in several ways that can be compared."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mvmlm.errors import ConfigError
from mvmlm.registry import did_you_mean

TOKENIZERS = ("linear", "adaptive", "queries")
POOLINGS = ("max", "mean", "attention", "cls")


class LinearTokens(nn.Module):
    """A linear map over the position axis, after one over the channels.

    This is the paper's g: H·W pseudo-tokens are mixed to N. (The other reading, a change of width alone,
    would leave the number of tokens as it is.)

    Parameters
    ----------
    positions, channels : int
        Of the input.
    tokens, width : int
        Of the output.
    """

    def __init__(self, positions: int, channels: int, tokens: int, width: int) -> None:
        super().__init__()
        self.channels = nn.Linear(channels, width)
        self.mix = nn.Linear(positions, tokens)
        self.place = nn.Parameter(torch.zeros(tokens, width))
        nn.init.trunc_normal_(self.place, std=0.02)

    def forward(self, states: Tensor) -> Tensor:
        """(B, positions, channels) to (B, tokens, width)."""
        narrow = self.channels(states)
        return self.mix(narrow.transpose(1, 2)).transpose(1, 2) + self.place


class AdaptiveTokens(nn.Module):
    """Means over as many neighbouring stretches of the positions, which keeps where a token comes from.

    A map is cut into as many rows and columns as come nearest to its own shape; a text into stretches.

    Raises
    ------
    ConfigError
        When there are fewer positions than tokens.
    """

    def __init__(self, grid: tuple[int, int], channels: int, tokens: int, width: int) -> None:
        super().__init__()
        if grid[0] * grid[1] < tokens:
            raise ConfigError(
                f"method.tokenizer: adaptive cannot make {tokens} tokens of {grid[0]}×{grid[1]} positions; take fewer "
                "tokens, an earlier method.encoder_stage, larger images, or method.tokenizer: linear"
            )
        self.grid, self.shape = grid, _tiles(grid, tokens)
        self.channels = nn.Linear(channels, width)
        self.place = nn.Parameter(torch.zeros(tokens, width))
        nn.init.trunc_normal_(self.place, std=0.02)

    def forward(self, states: Tensor) -> Tensor:
        """(B, positions, channels) to (B, tokens, width)."""
        square = self.channels(states).transpose(1, 2).unflatten(2, self.grid)
        return F.adaptive_avg_pool2d(square, self.shape).flatten(2).transpose(1, 2) + self.place


class QueryTokens(nn.Module):
    """Learnt queries that attend to the positions, as Perceiver's latents do (Jaegle et al. 2021).

    Positions carry a learnt place of their own: without it attention could not tell above from below.
    """

    def __init__(self, positions: int, channels: int, tokens: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.channels = nn.Linear(channels, width)
        self.place = nn.Parameter(torch.zeros(positions, width))
        self.queries = nn.Parameter(torch.zeros(tokens, width))
        self.norm = nn.LayerNorm(width)
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        for weight in (self.place, self.queries):
            nn.init.trunc_normal_(weight, std=0.02)

    def forward(self, states: Tensor) -> Tensor:
        """(B, positions, channels) to (B, tokens, width)."""
        narrow = self.norm(self.channels(states) + self.place)
        query = self.query(self.queries).unflatten(1, (self.heads, -1)).transpose(0, 1)
        key, value = self.key_value(narrow).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query.expand(len(states), -1, -1, -1), key, value)
        return self.queries + self.out(seen.transpose(1, 2).flatten(2))


def tokenizer(how: str, grid: tuple[int, int], channels: int, tokens: int, width: int, heads: int) -> nn.Module:
    """What makes (B, tokens, width) of (B, H·W, channels).

    Parameters
    ----------
    how : {'linear', 'adaptive', 'queries'}
    grid : (int, int)
        H and W; a text of L tokens is (1, L).

    Raises
    ------
    ConfigError
        When there is no such way, or the positions do not suffice for it.
    """
    if how not in TOKENIZERS:
        hint = did_you_mean(how, TOKENIZERS)
        raise ConfigError(f"method.tokenizer is {how!r}{hint}; known: {', '.join(TOKENIZERS)}")
    if how == "adaptive":
        return AdaptiveTokens(grid, channels, tokens, width)
    if how == "queries":
        return QueryTokens(grid[0] * grid[1], channels, tokens, width, heads)
    return LinearTokens(grid[0] * grid[1], channels, tokens, width)


class Pooling(nn.Module):
    """Tokens to one vector.

    Parameters
    ----------
    how : {'max', 'mean', 'attention', 'cls'}
        Largest value of each channel (the paper's), mean, a mean weighted by one learnt query (Ilse et al. 2018,
        without the gate), or a token of its own, which `prepend` puts first.
    width : int

    Raises
    ------
    ConfigError
        When there is no such pooling.
    """

    def __init__(self, how: str, width: int, setting: str = "method.pooling") -> None:
        super().__init__()
        if how not in POOLINGS:
            raise ConfigError(f"{setting} is {how!r}{did_you_mean(how, POOLINGS)}; known: {', '.join(POOLINGS)}")
        self.how = how
        if how == "attention":
            self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, bias=False))
        if how == "cls":
            self.token = nn.Parameter(torch.zeros(width))
            nn.init.trunc_normal_(self.token, std=0.02)

    def prepend(self, tokens: Tensor) -> Tensor:
        """(B, N, D) as it is, or with the token of its own before it: (B, N + 1, D)."""
        if self.how != "cls":
            return tokens
        return torch.cat([self.token.to(tokens.dtype).expand(len(tokens), 1, -1), tokens], dim=1)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, D) to (B, D)."""
        if self.how == "max":
            return tokens.amax(dim=1)
        if self.how == "mean":
            return tokens.mean(dim=1)
        if self.how == "cls":
            return tokens[:, 0]
        weight = self.score(tokens).softmax(dim=1)
        return (weight * tokens).sum(dim=1)


def _tiles(grid: tuple[int, int], tokens: int) -> tuple[int, int]:
    """Rows and columns whose product is ``tokens`` and whose ratio is nearest to the grid's."""
    fitting = [(r, tokens // r) for r in range(1, tokens + 1) if tokens % r == 0]
    inside = [shape for shape in fitting if shape[0] <= grid[0] and shape[1] <= grid[1]]
    if not inside:
        raise ConfigError(
            f"method.tokenizer: adaptive cannot cut {grid[0]}×{grid[1]} positions into {tokens} equal tiles; take a "
            "number of tokens that is a product of a number of rows and one of columns"
        )
    wanted = grid[0] / grid[1]
    return min(inside, key=lambda shape: abs(torch.log(torch.tensor(shape[0] / shape[1] / wanted)).item()))
