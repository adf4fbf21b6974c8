"""The contrastive loss against a loop over pairs, and what counts as a pair."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.batch import Batch
from mvmlm.losses import MAX_SCALE, Temperature, info_nce, pair_masks, sigmoid_loss
from mvmlm.losses import unit as unit_length
from mvmlm.models.contrast import Contrast

SEEDS = st.integers(0, 2**16)
COUNTS = st.integers(2, 7)


def unit(count: int, seed: int, width: int = 5) -> torch.Tensor:
    """Rows of unit length."""
    return F.normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def symmetric(count: int, seed: int, share: float = 0.4) -> torch.Tensor:
    """A symmetric relation, as equal patients or reports give."""
    draw = torch.rand(count, count, generator=torch.Generator().manual_seed(seed)) < share
    return draw | draw.T


def one_direction(a, b, scale, excluded, same) -> float:
    """Cross-entropy of one direction, pair by pair, in plain Python."""
    total = 0.0
    for i in range(len(a)):
        allowed = [j for j in range(len(b)) if j == i or not excluded[i][j]]
        positive = [j for j in allowed if j == i or same[i][j]]
        value = {j: scale * sum(float(x) * float(y) for x, y in zip(a[i], b[j])) for j in allowed}
        highest = max(value.values())
        log_sum = highest + math.log(sum(math.exp(v - highest) for v in value.values()))
        total -= sum(value[j] - log_sum for j in positive) / len(positive)
    return total / len(a)


@settings(max_examples=60, deadline=None)
@given(count=COUNTS, seed=SEEDS, scale=st.floats(0.5, 100.0), masked=st.booleans(), more=st.booleans())
def test_equals_a_loop_over_pairs(count, seed, scale, masked, more):
    a, b = unit(count, seed), unit(count, seed + 1)
    nothing = torch.zeros(count, count, dtype=torch.bool)
    excluded = symmetric(count, seed + 2) if masked else None
    same = symmetric(count, seed + 3) if more else None
    got = info_nce(a, b, torch.tensor(scale), excluded=excluded, same=same)
    rules = (
        (nothing if excluded is None else excluded).tolist(),
        (nothing if same is None else same).tolist(),
    )
    expected = 0.5 * (one_direction(a, b, scale, *rules) + one_direction(b, a, scale, *rules))
    assert float(got) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(count=COUNTS, seed=SEEDS)
def test_without_masks_it_is_torch_cross_entropy(count, seed):
    a, b = unit(count, seed), unit(count, seed + 1)
    logits, target = 14.0 * a @ b.T, torch.arange(count)
    expected = 0.5 * (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target))
    torch.testing.assert_close(info_nce(a, b, torch.tensor(14.0)), expected)


@settings(max_examples=30, deadline=None)
@given(count=COUNTS, seed=SEEDS)
def test_neither_the_sides_nor_the_order_matter(count, seed):
    a, b, scale = unit(count, seed), unit(count, seed + 1), torch.tensor(10.0)
    excluded, same = symmetric(count, seed + 2), symmetric(count, seed + 3)
    whole = info_nce(a, b, scale, excluded=excluded, same=same)
    torch.testing.assert_close(whole, info_nce(b, a, scale, excluded=excluded, same=same))
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    moved = info_nce(
        a[order], b[order], scale, excluded=excluded[order][:, order], same=same[order][:, order]
    )
    torch.testing.assert_close(whole, moved)


@settings(max_examples=40, deadline=None)
@given(count=COUNTS, seed=SEEDS, scale=st.floats(0.5, 50.0), masked=st.booleans())
def test_with_negatives_within_it_is_a_loop_over_all_that_is_there(count, seed, scale, masked):
    """NT-Xent: each embedding looks for its partner among all others of both sets."""
    a, b = unit(count, seed).double(), unit(count, seed + 1).double()
    excluded = symmetric(count, seed + 2) if masked else torch.zeros(count, count, dtype=torch.bool)
    rows = torch.cat([a, b])
    total = 0.0
    for i in range(2 * count):
        partner = (i + count) % (2 * count)
        others = [
            j for j in range(2 * count)
            if j == partner or (j != i and j % count != i % count and not excluded[i % count, j % count])
        ]  # fmt: skip
        value = {j: scale * float(rows[i] @ rows[j]) for j in others}
        highest = max(value.values())
        total -= value[partner] - highest - math.log(sum(math.exp(v - highest) for v in value.values()))
    got = info_nce(a, b, torch.tensor(scale).double(), excluded=excluded, within=True)
    assert float(got) == pytest.approx(total / (2 * count), rel=1e-6, abs=1e-9)


def test_negatives_within_are_simclrs_cross_entropy():
    """An independent way: one matrix of all against all, torch's cross-entropy."""
    a, b = unit(6, 1), unit(6, 2)
    rows = torch.cat([a, b])
    logits = (8.0 * rows @ rows.T).fill_diagonal_(-torch.inf)
    target = torch.arange(12).roll(6)
    torch.testing.assert_close(info_nce(a, b, torch.tensor(8.0), within=True), F.cross_entropy(logits, target))


@settings(max_examples=60, deadline=None)
@given(
    count=COUNTS, seed=SEEDS, scale=st.floats(0.5, 100.0), bias=st.floats(-12.0, 2.0), masked=st.booleans(),
    more=st.booleans(),
)  # fmt: skip
def test_the_sigmoid_loss_equals_a_loop_over_pairs(count, seed, scale, bias, masked, more):
    a, b = unit(count, seed).double(), unit(count, seed + 1).double()
    excluded = symmetric(count, seed + 2) if masked else None
    same = symmetric(count, seed + 3) if more else None
    total = 0.0
    for i in range(count):
        for j in range(count):
            if i != j and masked and excluded[i, j]:
                continue
            sign = 1.0 if i == j or (more and same[i, j]) else -1.0
            total += math.log1p(math.exp(-sign * (scale * float(a[i] @ b[j]) + bias)))
    got = sigmoid_loss(a, b, torch.tensor(scale), torch.tensor(bias).double(), excluded=excluded, same=same)
    assert float(got) == pytest.approx(total / count, rel=1e-6, abs=1e-9)


def test_the_sigmoid_loss_is_torch_binary_cross_entropy():
    a, b = unit(5, 3), unit(5, 4)
    logits = 10.0 * a @ b.T - 10.0
    expected = F.binary_cross_entropy_with_logits(logits, torch.eye(5), reduction="sum") / 5
    torch.testing.assert_close(sigmoid_loss(a, b, torch.tensor(10.0), torch.tensor(-10.0)), expected)


@pytest.mark.parametrize("kind", ["info_nce", "within", "sigmoid"])
@pytest.mark.parametrize("rules", ["plain", "masked", "positive"])
def test_gradients_are_those_of_finite_differences(kind, rules):
    count = 5
    excluded = symmetric(count, 7) if rules == "masked" else None
    same = symmetric(count, 8) if rules == "positive" else None

    def loss(a, b, log_scale, bias):
        a, b = unit_length(a), unit_length(b)
        if kind == "sigmoid":
            return sigmoid_loss(a, b, log_scale.exp(), bias, excluded=excluded, same=same)
        return info_nce(a, b, log_scale.exp(), excluded=excluded, same=same, within=kind == "within")

    inputs = [unit(count, 1), unit(count, 2), torch.tensor(1.5), torch.tensor(-2.0)]
    given = [value.double().requires_grad_(kind == "sigmoid" or i < 3) for i, value in enumerate(inputs)]
    assert torch.autograd.gradcheck(loss, given)


def test_an_excluded_pair_gets_no_gradient_and_no_nan():
    a, b = unit(3, 0).requires_grad_(), unit(3, 1)
    excluded = ~torch.eye(3, dtype=torch.bool)
    loss = info_nce(a, b, torch.tensor(10.0), excluded=excluded)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-6)
    torch.testing.assert_close(a.grad, torch.zeros(3, 5))


def test_autocast_does_not_round_the_similarities():
    a, b, scale = unit(8, 0, 64), unit(8, 1, 64), torch.tensor(100.0)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = info_nce(a, b, scale)
    assert rounded.dtype == torch.float32
    assert float(rounded) == float(info_nce(a, b, scale))


def test_the_scale_stops_at_its_largest_value_and_can_come_back():
    temperature = Temperature(0.07)
    assert float(temperature().detach()) == pytest.approx(1 / 0.07)
    with torch.no_grad():
        temperature.log_scale.fill_(9.0)
    scale = temperature()
    assert float(scale.detach()) == pytest.approx(MAX_SCALE, rel=1e-5)
    scale.backward()
    with torch.no_grad():
        temperature.log_scale -= 0.01 * temperature.log_scale.grad.sign()
    assert float(temperature().detach()) < MAX_SCALE * 0.995


def test_a_temperature_that_is_not_learnt_gets_no_gradient():
    assert not Temperature(0.1, learn=False)().requires_grad
    assert Temperature(0.1, learn=True)().requires_grad


# Breasts 0 and 1 are of one patient and share a report, which breast 3 has too; 2 is by herself.
PATIENT = torch.tensor([7, 7, 8, 9])
REPORT = torch.tensor([0, 0, 1, 0])
SAME_WOMAN = {(0, 1)}
SAME_TEXT = {(0, 1), (0, 3), (1, 3)}


def pairs(mask: torch.Tensor | None) -> set[tuple[int, int]]:
    """Off-diagonal pairs of a symmetric mask."""
    if mask is None:
        return set()
    assert torch.equal(mask, mask.T)
    return {(i, j) for i, j in mask.nonzero().tolist() if i < j}


@pytest.mark.parametrize(
    ("same_patient", "same_report", "set_aside", "positive"),
    [
        ("negative", "negative", set(), set()),
        ("mask", "negative", SAME_WOMAN, set()),
        ("negative", "mask", SAME_TEXT, set()),
        ("mask", "mask", SAME_WOMAN | SAME_TEXT, set()),
        ("negative", "positive", set(), SAME_TEXT),
        ("mask", "positive", set(), SAME_TEXT),
    ],
)
def test_choices_for_one_woman_and_one_text(same_patient, same_report, set_aside, positive):
    excluded, same = pair_masks(PATIENT, REPORT, same_patient=same_patient, same_report=same_report)
    assert pairs(excluded) == set_aside
    assert pairs(same) == positive


def test_of_one_woman_with_different_texts_only_the_patient_counts():
    texts = torch.arange(4)
    excluded, same = pair_masks(PATIENT, texts, same_patient="mask", same_report="positive")
    assert pairs(excluded) == SAME_WOMAN
    assert pairs(same) == set()


def batch_of(mask: torch.Tensor) -> Batch:
    count = len(mask)
    return Batch(torch.zeros(count, 2, 1, 2, 2), mask, torch.arange(count), text_id=torch.arange(count))


CHOICES = {"same_patient": "mask", "same_report": "mask", "temperature": 0.1, "learn_temperature": True}


def test_a_missing_view_takes_part_in_neither_loss():
    views, text = torch.stack([unit(5, 0), unit(5, 1)], dim=1), unit(5, 2)
    mask = torch.ones(5, 2, dtype=torch.bool)
    mask[1, 0] = mask[4, 1] = False
    scale = torch.tensor(10.0)
    cc, mlo, both = [0, 2, 3, 4], [0, 1, 2, 3], [0, 2, 3]
    expected = (info_nce(views[cc, 0], text[cc], scale) + info_nce(views[mlo, 1], text[mlo], scale)) / 2
    torch.testing.assert_close(Contrast(CHOICES).image_text(views, text, batch_of(mask)), expected)
    expected = info_nce(views[both, 0], views[both, 1], scale)
    torch.testing.assert_close(Contrast(CHOICES).image_image(views, batch_of(mask)), expected)


def test_identical_reports_stay_negatives_between_views():
    views = torch.stack([unit(4, 0), unit(4, 1)], dim=1)
    batch = Batch(
        torch.zeros(4, 2, 1, 2, 2),
        torch.ones(4, 2, dtype=torch.bool),
        torch.arange(4),
        text_id=torch.zeros(4, dtype=torch.int64),
    )
    scale = torch.tensor(10.0)
    torch.testing.assert_close(
        Contrast(CHOICES).image_image(views, batch), info_nce(views[:, 0], views[:, 1], scale)
    )


def test_with_nothing_to_contrast_the_loss_is_zero_and_has_a_gradient():
    views = torch.stack([unit(2, 0), unit(2, 1)], dim=1).requires_grad_()
    mask = torch.tensor([[True, False], [False, True]])
    total = Contrast(CHOICES).image_text(views, unit(2, 2), batch_of(mask))
    total = total + Contrast(CHOICES).image_image(views, batch_of(mask))
    total.backward()
    assert float(total.detach()) == 0.0
    torch.testing.assert_close(views.grad, torch.zeros_like(views))


def test_settings_choose_the_loss():
    views, text = torch.stack([unit(6, 0), unit(6, 1)], dim=1), unit(6, 2)
    batch = batch_of(torch.ones(6, 2, dtype=torch.bool))
    plain = {**CHOICES, "same_patient": "negative", "same_report": "negative"}
    scale = torch.tensor(10.0)
    pairwise = Contrast({**plain, "kind": "sigmoid", "bias": -3.0})
    expected = sum(sigmoid_loss(views[:, v], text, scale, torch.tensor(-3.0)) for v in (0, 1)) / 2
    torch.testing.assert_close(pairwise.image_text(views, text, batch), expected)
    both = Contrast({**plain, "ii_negatives": "both_views"})
    torch.testing.assert_close(both.image_image(views, batch), info_nce(views[:, 0], views[:, 1], scale, within=True))
    torch.testing.assert_close(Contrast(plain).text_text(text, views[:, 0], batch), info_nce(text, views[:, 0], scale))


def test_temperature_and_bias_of_the_sigmoid_loss_are_learnt_together():
    assert {n for n, p in Temperature(0.1, True, -10.0).named_parameters() if p.requires_grad} == {"log_scale", "bias"}
    assert not any(p.requires_grad for p in Temperature(0.1, False, -10.0).parameters())
    assert Temperature(0.1).bias is None
