"""The contrastive loss against a loop over pairs, and what counts as a pair."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.batch import Batch
from mvmlm.losses import MAX_SCALE, Temperature, info_nce, pair_masks
from mvmlm.models.contrast import image_image_loss, image_text_loss

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


CHOICES = {"same_patient": "mask", "same_report": "mask"}


def test_a_missing_view_takes_part_in_neither_loss():
    views, text = torch.stack([unit(5, 0), unit(5, 1)], dim=1), unit(5, 2)
    mask = torch.ones(5, 2, dtype=torch.bool)
    mask[1, 0] = mask[4, 1] = False
    scale = torch.tensor(10.0)
    cc, mlo, both = [0, 2, 3, 4], [0, 1, 2, 3], [0, 2, 3]
    expected = (info_nce(views[cc, 0], text[cc], scale) + info_nce(views[mlo, 1], text[mlo], scale)) / 2
    torch.testing.assert_close(image_text_loss(views, text, batch_of(mask), scale, CHOICES), expected)
    expected = info_nce(views[both, 0], views[both, 1], scale)
    torch.testing.assert_close(image_image_loss(views, batch_of(mask), scale, CHOICES), expected)


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
        image_image_loss(views, batch, scale, CHOICES), info_nce(views[:, 0], views[:, 1], scale)
    )


def test_with_nothing_to_contrast_the_loss_is_zero_and_has_a_gradient():
    views = torch.stack([unit(2, 0), unit(2, 1)], dim=1).requires_grad_()
    mask = torch.tensor([[True, False], [False, True]])
    scale = torch.tensor(10.0)
    total = image_text_loss(views, unit(2, 2), batch_of(mask), scale, CHOICES)
    total = total + image_image_loss(views, batch_of(mask), scale, CHOICES)
    total.backward()
    assert float(total.detach()) == 0.0
    torch.testing.assert_close(views.grad, torch.zeros_like(views))
