"""What every registered method promises, whoever wrote it."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import pytest
import torch

from mvmlm.errors import ConfigError, DataError
from mvmlm.methods import DESCRIPTION, METHODS, WEIGHTS, Method, load_method, save_method
from tests.mvmlm.toy_breasts import SIZE, small_batch, small_method

pytestmark = pytest.mark.usefixtures("one_thread")
METHOD_NAMES = METHODS.names()
ENCODERS = ("test_resnet", "test_efficientnet")
every_method = pytest.mark.parametrize("name", METHOD_NAMES)
every_encoder = pytest.mark.parametrize("encoder", ENCODERS)


def same_weights(a: Method, b: Method) -> bool:
    mine, other = a.state_dict(), b.state_dict()
    return mine.keys() == other.keys() and all(torch.equal(mine[k], other[k]) for k in mine)


def test_every_arm_is_registered_and_says_what_sets_it_apart():
    arms = {"clip", "custom_clip", "mv_clip", "mvmlm", "supervised", "mammo_clip", "simclr_views"}
    assert arms <= set(METHOD_NAMES)
    assert all(METHODS.get(name).differs for name in arms)


@every_method
def test_options_are_a_frozen_dataclass_of_plain_values(name):
    kind = METHODS.get(name)
    options = kind.Options()
    assert is_dataclass(options)
    assert kind.Options.__dataclass_params__.frozen
    assert all(isinstance(getattr(options, f.name), str | int | float | None) for f in fields(options))
    assert kind.uses <= {"text", "loss", "labels"}
    assert not kind.trains_text or "text" in kind.uses


@every_method
@every_encoder
def test_shapes_type_and_unit_length(name, encoder):
    method = small_method(name, encoder=encoder).eval()
    with torch.no_grad():
        tokens, embedding = method.encode_image(torch.rand(3, 2, 1, *SIZE))
        one, alone = method.encode_image(torch.rand(1, 1, 1, *SIZE))
    assert tokens.shape[:2] == embedding.shape[:2] == (3, 2)
    assert (one.shape[2:], alone.shape[2:]) == (tokens.shape[2:], embedding.shape[2:])
    assert tokens.ndim == 4
    assert embedding.ndim == 3
    assert tokens.dtype == embedding.dtype == torch.float32
    torch.testing.assert_close(embedding.norm(dim=-1), torch.ones(3, 2))


@every_method
def test_the_embedding_stays_float32_under_autocast(name):
    method = small_method(name)
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = method.loss(small_batch())
        embedding = method.encode_image(small_batch().images)[1]
    assert (loss.dtype, embedding.dtype) == (torch.float32, torch.float32)


@every_method
@every_encoder
def test_the_gradient_reaches_every_weight(name, encoder):
    method = small_method(name, encoder=encoder, dropout=0.0)
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():  # timm starts the last norm of a residual branch at zero: that blocks it at first
        for weight in method.parameters():
            weight.add_(torch.randn(weight.shape, generator=random), alpha=0.02)
    loss, _ = method.loss(small_batch())
    loss.backward()
    trained = {n: p.grad for n, p in method.named_parameters() if p.requires_grad}
    assert [n for n, grad in trained.items() if grad is None or not grad.any()] == []


@every_method
def test_the_loss_is_a_finite_scalar_with_plain_numbers_to_log(name):
    loss, logs = small_method(name).loss(small_batch(missing=((0, 1), (3, 0))))
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert all(type(value) is float for value in logs.values())


@every_method
def test_what_stands_in_a_missing_view_changes_nothing(name):
    """Not even through the batch statistics: neither loss, gradient nor running averages."""
    clean = small_batch(missing=((0, 1), (3, 0)))
    images = clean.images.clone()
    images[~clean.view_mask] = torch.rand(2, 1, *SIZE)
    found = []
    for batch in (clean, replace(clean, images=images)):
        method = small_method(name, dropout=0.0)
        torch.manual_seed(0)
        loss, _ = method.loss(batch)
        loss.backward()
        grads = torch.cat([p.grad.flatten() for p in method.parameters() if p.grad is not None])
        found.append((loss.detach(), grads, torch.cat([b.flatten().float() for b in method.buffers()])))
    for one, other in zip(*found):
        assert torch.equal(one, other)


@every_method
def test_a_missing_view_leaves_the_features_of_the_others(name):
    method = small_method(name, dropout=0.0).train()
    whole, lacking = small_batch(), small_batch(missing=((0, 1),))
    kept = whole.images[whole.view_mask & lacking.view_mask][:, None]
    expected = method.encode_image(kept)[1][:, 0]
    found = method.encode_present(lacking)[1]
    torch.testing.assert_close(found[lacking.view_mask], expected)
    assert not found[0, 1].any()


@every_method
def test_the_seed_alone_decides_the_weights(name):
    torch.manual_seed(1)
    one = small_method(name, seed=5)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    again = small_method(name, seed=5)
    assert torch.equal(before, torch.get_rng_state()), "building must leave the caller's random state alone"
    assert same_weights(one, again)
    assert not same_weights(one, small_method(name, seed=6))


@every_method
def test_it_overfits_one_batch(name):
    method = small_method(name, dropout=0.0)
    batch = small_batch(missing=((2, 0),))
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        loss, _ = method.loss(batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@every_method
@every_encoder
def test_saved_and_loaded_it_gives_the_same(name, encoder, tmp_path):
    method = small_method(name, encoder=encoder)
    method.loss(small_batch())  # moves the running statistics, which must be kept as well
    save_method(method, tmp_path)
    again = load_method(tmp_path)
    assert not again.training
    assert same_weights(method, again)
    with torch.no_grad():
        for mine, other in zip(
            method.eval().encode_image(small_batch().images), again.encode_image(small_batch().images)
        ):
            assert torch.equal(mine, other)


@every_method
def test_a_reloaded_method_can_be_saved_again(name, tmp_path):
    save_method(small_method(name), tmp_path)
    first = (tmp_path / DESCRIPTION).read_text()
    save_method(load_method(tmp_path), tmp_path)
    assert (tmp_path / DESCRIPTION).read_text() == first


@every_method
@pytest.mark.parametrize("file", [WEIGHTS, DESCRIPTION])
@pytest.mark.parametrize("fault", ["absent", "cut", "empty"])
def test_a_damaged_file_is_named(name, file, fault, tmp_path):
    save_method(small_method(name), tmp_path)
    path = tmp_path / file
    if fault == "absent":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 if fault == "cut" else 0])
    with pytest.raises(DataError, match=str(tmp_path)):
        load_method(tmp_path)


@every_method
def test_weights_of_other_settings_are_refused(name, tmp_path):
    save_method(small_method(name), tmp_path)
    said = (tmp_path / DESCRIPTION).read_text()
    (tmp_path / DESCRIPTION).write_text(said.replace("test_resnet", "test_efficientnet"))
    with pytest.raises(DataError, match="not those of"):
        load_method(tmp_path)


@every_method
@pytest.mark.parametrize(
    ("encoder", "stage"),
    [
        ("no_such_network", -1),
        ("test_mambaout", -1),  # its maps are H×W×C
        ("test_coatnet", -1),  # its windows do not fit into this image size
        ("test_resnet", 9),
    ],
)
def test_an_encoder_without_a_feature_map_is_a_config_error(name, encoder, stage):
    with pytest.raises(ConfigError, match=r"method\.encoder"):
        small_method(name, encoder=encoder, encoder_stage=stage)


@every_method
def test_another_stage_of_the_encoder_is_a_finer_map(name):
    fine = small_method(name, encoder_stage=-2).encoder
    coarse = small_method(name, encoder_stage=-1).encoder
    assert fine.grid[0] > coarse.grid[0]


@pytest.mark.parametrize("name", [n for n in METHOD_NAMES if "text" in METHODS.get(n).uses])
def test_padding_of_a_text_changes_nothing(name):
    method = small_method(name).eval()
    batch = small_batch()
    assert not batch.text_mask.all()
    noise = torch.where(batch.text_mask[..., None], batch.text, 9.0)
    with torch.no_grad():
        assert torch.equal(method.loss(batch)[0], method.loss(replace(batch, text=noise))[0])


@pytest.mark.parametrize("name", [n for n in METHOD_NAMES if "labels" in METHODS.get(n).uses])
def test_an_unknown_label_has_no_part_in_the_loss(name):
    batch = small_batch()
    labels = batch.labels.clone()
    labels[2] = torch.nan
    method = small_method(name).eval()
    kept = torch.tensor([0, 1, 3, 4, 5])
    rest = replace(
        batch,
        images=batch.images[kept],
        view_mask=batch.view_mask[kept],
        patient=batch.patient[kept],
        labels=labels[kept],
    )
    torch.testing.assert_close(method.loss(replace(batch, labels=labels))[0], method.loss(rest)[0])
    none = replace(batch, labels=torch.full_like(labels, torch.nan))
    assert float(method.loss(none)[0].detach()) == 0.0
