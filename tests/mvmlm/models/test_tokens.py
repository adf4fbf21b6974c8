"""Positions to tokens and tokens to one vector: shapes, what each keeps, and errors with a way out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.errors import ConfigError
from mvmlm.models.tokens import POOLINGS, TOKENIZERS, Pooling, QueryTokens, tokenizer
from tests.mvmlm.toy_breasts import small_batch, small_method

GRID, CHANNELS, WIDTH, HEADS = (6, 4), 5, 8, 2


@pytest.mark.parametrize("how", TOKENIZERS)
@pytest.mark.parametrize("tokens", [1, 6, 24])
def test_every_way_gives_as_many_tokens_as_asked_for(how, tokens):
    made = tokenizer(how, GRID, CHANNELS, tokens, WIDTH, HEADS)
    assert made(torch.randn(3, 24, CHANNELS)).shape == (3, tokens, WIDTH)


@pytest.mark.parametrize("how", ["linear", "queries"])
def test_more_tokens_than_positions_can_be_had_by_mixing(how):
    assert tokenizer(how, GRID, CHANNELS, 40, WIDTH, HEADS)(torch.randn(2, 24, CHANNELS)).shape == (2, 40, WIDTH)


def test_adaptive_refuses_more_tokens_than_there_are_positions():
    with pytest.raises(ConfigError, match=r"adaptive cannot make 40 tokens of 6×4 positions; take fewer tokens"):
        tokenizer("adaptive", GRID, CHANNELS, 40, WIDTH, HEADS)


def test_adaptive_refuses_a_number_that_fits_no_tiles():
    with pytest.raises(ConfigError, match="cannot cut 6×4 positions into 23 equal tiles"):
        tokenizer("adaptive", GRID, CHANNELS, 23, WIDTH, HEADS)


def test_an_adaptive_token_sees_its_own_tile_alone():
    made = tokenizer("adaptive", GRID, CHANNELS, 6, WIDTH, HEADS)  # tiles of 2 × 2
    states = torch.randn(1, 24, CHANNELS)
    before = made(states)
    states[0, 0] += 1.0  # the upper left corner
    changed = (made(states) - before).abs().sum(dim=-1)[0] > 1e-6
    assert changed.tolist() == [True] + [False] * 5
    expected = made.channels(states)[0].unflatten(0, GRID)[:2, :2].mean(dim=(0, 1)) + made.place[0]
    torch.testing.assert_close(made(states)[0, 0], expected)


def test_a_linear_token_sees_all_positions():
    made = tokenizer("linear", GRID, CHANNELS, 6, WIDTH, HEADS)
    states = torch.randn(1, 24, CHANNELS)
    before = made(states)
    states[0, 0] += 1.0
    assert ((made(states) - before).abs().sum(dim=-1)[0] > 1e-6).all()


def test_queries_are_attention_written_out():
    made = QueryTokens(24, CHANNELS, 3, WIDTH, 1).double()
    states = torch.randn(2, 24, CHANNELS).double()
    narrow = made.norm(made.channels(states) + made.place)
    key, value = made.key_value(narrow).chunk(2, dim=-1)
    weight = F.softmax(made.query(made.queries) @ key.transpose(1, 2) / WIDTH**0.5, dim=-1)
    torch.testing.assert_close(made(states), made.queries + made.out(weight @ value))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), how=st.sampled_from(POOLINGS[:3]))
def test_pooling_does_not_ask_for_an_order_and_stays_within_the_tokens(seed, how):
    torch.manual_seed(seed)
    tokens, pooling = torch.randn(2, 7, WIDTH), Pooling(how, WIDTH)
    found = pooling(tokens)
    torch.testing.assert_close(found, pooling(tokens[:, torch.randperm(7)]))
    assert (found <= tokens.amax(dim=1) + 1e-5).all()
    assert (found >= tokens.amin(dim=1) - 1e-5).all()


def test_a_token_of_its_own_comes_first_and_is_what_is_taken():
    pooling, tokens = Pooling("cls", WIDTH), torch.randn(2, 7, WIDTH)
    longer = pooling.prepend(tokens)
    assert longer.shape == (2, 8, WIDTH)
    torch.testing.assert_close(pooling(longer), pooling.token.expand(2, -1))
    assert Pooling("max", WIDTH).prepend(tokens) is tokens


@pytest.mark.parametrize("how", TOKENIZERS)
@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_of_them_in_mvmlm_reaches_every_weight(how, pooling):
    method = small_method("mvmlm", tokenizer=how, pooling=pooling, dropout=0.0)
    with torch.no_grad():
        for weight in method.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.02)
    method.loss(small_batch())[0].backward()
    dead = [n for n, p in method.image.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


@pytest.mark.parametrize(("option", "near"), [("tokenizer", "queries"), ("pooling", "attention")])
def test_a_way_that_there_is_not_is_named_with_the_nearest(option, near):
    with pytest.raises(ConfigError, match=f"method.{option} is '{near}s'.*did you mean '{near}'.*known: "):
        small_method("mvmlm", **{option: f"{near}s"})
