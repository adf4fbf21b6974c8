"""The image encoder: which map, of which weights, and what of it is trained."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from mvmlm.errors import ConfigError
from mvmlm.models.encoder_plan import plan_encoder
from mvmlm.models.encoder_weights import load_from_hub
from mvmlm.models.image_encoder import MEAN, STD, EncoderOptions, ImageEncoder

pytestmark = pytest.mark.usefixtures("one_thread")
SIZE = (96, 64)
CONV_NETS = ("test_resnet", "test_efficientnet", "test_convnext")
NETS = (*CONV_NETS, "test_vit", "test_vit2")


@pytest.fixture(autouse=True)
def seeded_and_offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.manual_seed(0)


def encoder(name: str = "test_resnet", size: tuple[int, int] = SIZE, **options: object) -> ImageEncoder:
    return ImageEncoder(EncoderOptions(encoder=name, **options), size)


def statistics(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.named_buffers() if "running" in name}


def moved(before: dict[str, Tensor], module: nn.Module) -> set[str]:
    return {name for name, value in statistics(module).items() if not torch.equal(value, before[name])}


def test_only_the_settings_of_the_first_results_are_not_marked_as_later():
    earlier = {f.name for f in fields(EncoderOptions) if not f.metadata.get("later")}
    assert earlier == {"encoder", "pretrained", "encoder_stage"}


# --- the map


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("size", [(96, 64), (100, 72)])
def test_the_map_is_of_the_promised_shape(name, size):
    one = encoder(name, size)
    assert one(torch.rand(2, 1, *size)).shape == (2, one.channels, *one.grid)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_weights_and_maps_of_a_seed_are_those_of_timm_itself(name):
    plain = timm.create_model(name, in_chans=1, features_only=True).to(memory_format=torch.channels_last)
    after = torch.rand(1)
    torch.manual_seed(0)
    ours = encoder(name)
    assert torch.equal(torch.rand(1), after)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), ours.net.parameters(), strict=True))
    images = torch.rand(2, 1, *SIZE)
    expected = plain(((images - MEAN) / STD).contiguous(memory_format=torch.channels_last))[-1]
    assert torch.equal(ours(images), expected)


def test_a_vision_transformer_fills_the_last_patches_up():
    one = encoder("test_vit", (1520, 912))
    assert one.grid == (95, 57)
    assert one.padding == (0, 0)
    odd = encoder("test_vit", (1513, 900))
    assert odd.grid == (95, 57)
    assert odd.padding == (7, 12)


def test_what_fills_a_patch_up_is_black():
    small, full = encoder("test_vit", (90, 60)).eval(), encoder("test_vit", (96, 64)).eval()
    full.load_state_dict(small.state_dict())
    images = torch.rand(2, 1, 90, 60)
    black = torch.zeros(2, 1, 96, 64)
    black[:, :, :90, :60] = images
    with torch.no_grad():
        assert torch.equal(small(images), full(black))


@pytest.mark.parametrize("name", NETS)
def test_another_stage_leaves_no_parameter_that_is_not_used(name):
    one = encoder(name, encoder_stage=-2)
    one(torch.rand(2, 1, *SIZE)).square().mean().backward()
    assert [n for n, p in one.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("back", [1, 2, 3])
def test_a_stage_counts_maps_or_the_blocks_of_a_transformer(name, back):
    ours = encoder(name, encoder_stage=-back).eval()
    torch.manual_seed(0)
    net = timm.create_model(name, in_chans=1, **({"img_size": SIZE} if "vit" in name else {})).eval()
    whole = {key.replace("_", "."): value for key, value in net.state_dict().items()}
    ours.load_state_dict({key: whole[key[4:].removeprefix("model.").replace("_", ".")] for key in ours.state_dict()})
    images = torch.rand(2, 1, *SIZE)
    with torch.no_grad():
        maps = net.forward_intermediates((images - MEAN) / STD, norm=False, intermediates_only=True)
        torch.testing.assert_close(ours(images), maps[-back], rtol=1e-4, atol=1e-4)


# --- names and maps that cannot be


def test_a_wrong_name_brings_the_nearest_three():
    with pytest.raises(ConfigError, match=r"^method\.encoder: .*'resnet_34'; nearest: resnet34, \w+, \w+$"):
        encoder("resnet_34")


def test_a_wrong_tag_brings_the_nearest_ones():
    with pytest.raises(ConfigError, match=r"^method\.encoder: .*'a1_in1' of 'resnet34'; nearest: resnet34\.a1_in1k"):
        encoder("resnet34.a1_in1")


@pytest.mark.parametrize(("name", "stage"), [("test_resnet", 5), ("test_resnet", -6), ("test_vit", 6)])
def test_a_stage_out_of_range_says_which_there_are(name, stage):
    with pytest.raises(ConfigError, match=rf"^method\.encoder_stage: .*0 to \d or −\d to −1, and no {stage}$"):
        encoder(name, encoder_stage=stage)


@pytest.mark.parametrize("name", ["test_mambaout", "test_coatnet"])
def test_a_network_without_a_map_of_such_images_is_named(name):
    with pytest.raises(ConfigError, match=rf"^method\.encoder: '{name}' gives no"):
        encoder(name, (64, 48))


@pytest.mark.parametrize(
    ("setting", "value"), [("batch_norm", "off"), ("frozen_stages", 6), ("frozen_stages", -1), ("weights", "no.pth")]
)
def test_a_setting_that_cannot_be_is_named(setting, value):
    with pytest.raises(ConfigError, match=rf"^method\.{setting}: .*{value}"):
        encoder("test_resnet", **{setting: value})


def test_weights_that_cannot_be_downloaded_say_what_else_there_is(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match=r"^method\.pretrained: .*cannot be downloaded") as raised:
        encoder("test_resnet", pretrained=True)
    assert "method.pretrained: false" in str(raised.value)
    assert "method.weights: FILE" in str(raised.value)


def test_a_network_without_pretrained_weights_says_so():
    with pytest.raises(ConfigError, match=r"^method\.pretrained: timm has no pretrained weights of 'densenet264d'"):
        encoder("densenet264d", pretrained=True)


# --- weights from a file


@pytest.fixture
def three_channels(tmp_path, request):
    """A whole three-channel network of timm with a head, its statistics moved, and its weights in a file."""
    name, suffix = request.param
    net = timm.create_model(name, **({"img_size": SIZE} if "vit" in name else {}))
    net.train()(torch.rand(4, 3, *SIZE))
    file = tmp_path / f"weights.{suffix}"
    if suffix == "safetensors":
        save_file(net.state_dict(), file)
    else:
        torch.save({"state_dict": {f"module.{key}": value for key, value in net.state_dict().items()}}, file)
    return name, net.eval(), file


@pytest.mark.parametrize(
    "three_channels", [(name, suffix) for name in NETS for suffix in ("safetensors", "pth")], indirect=True
)
def test_a_grey_image_gives_the_map_of_its_three_channel_copy(three_channels):
    name, net, file = three_channels
    ours = encoder(name, weights=str(file)).eval()
    images = torch.rand(2, 1, *SIZE)
    copies = ((images - MEAN) / STD).expand(-1, 3, -1, -1)
    with torch.no_grad():
        expected = net.forward_intermediates(copies, indices=1, norm=False, intermediates_only=True)[-1]
        found = ours(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NETS)
def test_the_hub_s_weights_are_folded_and_interpolated_like_a_file_s(name, tmp_path):
    file = tmp_path / "model.safetensors"
    save_file(timm.create_model(name).state_dict(), file)
    ours = encoder(name, weights=str(file))
    source = {"file": str(file)}
    arguments = {**plan_encoder(name, -1, SIZE).arguments, "pretrained_cfg_overlay": source}
    theirs = load_from_hub(name, arguments, source)
    for (at, one), other in zip(ours.net.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, msg=at)


@pytest.mark.parametrize("name", NETS)
def test_weights_of_one_channel_come_back_as_they_were(name, tmp_path):
    ours = encoder(name)
    save_file(
        {f"encoder.{key}": value.contiguous() for key, value in ours.state_dict().items()}, tmp_path / "own.safetensors"
    )
    torch.manual_seed(1)
    again = encoder(name, weights=str(tmp_path / "own.safetensors"))
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("name", ["test_vit", "test_vit2"])
def test_position_embeddings_are_interpolated_to_the_grid(name, tmp_path):
    net = timm.create_model(name)
    torch.save(net.state_dict(), tmp_path / "square.pth")
    ours = encoder(name, (150, 64), weights=str(tmp_path / "square.pth")).net.model
    prefix = 0 if net.no_embed_class else net.num_prefix_tokens
    old, new = net.patch_embed.grid_size, (10, 4)
    flat = net.pos_embed[:, prefix:].transpose(1, 2).unflatten(2, old)
    expected = nn.functional.interpolate(flat, new, mode="bicubic", antialias=True).flatten(2).transpose(1, 2)
    torch.testing.assert_close(ours.pos_embed[:, prefix:], expected)
    assert torch.equal(ours.pos_embed[:, :prefix], net.pos_embed[:, :prefix])


def test_weights_of_another_network_say_how_many_names_match(tmp_path):
    save_file(timm.create_model("test_convnext").state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match=r"^method\.weights: .*holds \d+ of the \d+ tensors of 'test_resnet'.*first"):
        encoder("test_resnet", weights=str(tmp_path / "other.safetensors"))


def test_weights_of_another_width_name_the_tensor(tmp_path):
    weights = timm.create_model("test_resnet").state_dict()
    weights["layer3.0.conv1.weight"] = torch.zeros(7, 48, 1, 1)
    torch.save(weights, tmp_path / "wide.pth")
    with pytest.raises(ConfigError, match=r"^method\.weights: .*\(layer3\.0\.conv1\.weight is \(7, 48, 1, 1\) there"):
        encoder("test_resnet", weights=str(tmp_path / "wide.pth"))


def test_positions_of_an_unknown_grid_are_not_guessed(tmp_path):
    torch.save(encoder("test_vit", (96, 32)).state_dict(), tmp_path / "tall.pth")
    encoder("test_vit", (96, 32), weights=str(tmp_path / "tall.pth"))
    with pytest.raises(ConfigError, match=r"^method\.weights: .*pos_embed is .*images of another size\?$"):
        encoder("test_vit", (96, 64), weights=str(tmp_path / "tall.pth"))


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_a_file_that_holds_no_weights_is_named(suffix, tmp_path):
    file = tmp_path / f"report.{suffix}"
    file.write_text("no weights at all")
    with pytest.raises(ConfigError, match=rf"^method\.weights: .*report\.{suffix} cannot be read as weights"):
        encoder(weights=str(file))


# --- layers, and what is frozen


@pytest.mark.parametrize(
    ("name", "layers", "first", "last"),
    [
        ("test_resnet", 5, "net.conv1.0.weight", "net.layer4.0.conv1.weight"),
        ("test_efficientnet", 6, "net.conv_stem.weight", "net.blocks.4.0.conv_pw.weight"),
        ("test_convnext", 5, "net.stem_0.weight", "net.stages_3.blocks.0.conv_dw.weight"),
        ("test_vit", 7, "net.model.pos_embed", "net.model.blocks.5.norm1.weight"),
    ],
)
def test_layers_count_from_the_stem_to_the_last_stage(name, layers, first, last):
    one = encoder(name)
    assert one.layers == layers
    assert one.layer_of(first) == 0
    assert one.layer_of(last) == layers - 1
    order = [one.layer_of(n) for n, _ in one.named_parameters()]
    assert order == sorted(order)
    assert set(order) == set(range(layers))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("frozen", [0, 1, 3])
def test_frozen_layers_neither_learn_nor_move_their_statistics(name, frozen):
    one = encoder(name, frozen_stages=frozen).train()
    before = statistics(one)
    one(torch.rand(2, 1, *SIZE)).square().mean().backward()
    assert {n for n, p in one.named_parameters() if p.grad is None} == {
        n for n, _ in one.named_parameters() if one.layer_of(n) < frozen
    }
    assert moved(before, one) == {n for n in before if one.layer_of(n) >= frozen}


def test_all_layers_can_be_frozen():
    one = encoder("test_resnet", frozen_stages=5)
    assert not one(torch.rand(2, 1, *SIZE)).requires_grad


def test_frozen_statistics_make_a_map_independent_of_its_batch():
    one = encoder("test_efficientnet", batch_norm="frozen").train()
    before = statistics(one)
    images = torch.rand(4, 1, *SIZE)
    torch.testing.assert_close(one(images)[:1], one(images[:1]))
    assert moved(before, one) == set()
    assert all(p.requires_grad for p in one.parameters())
    assert one.training
    assert one.net.blocks.training


def test_statistics_of_the_batch_are_the_default():
    one = encoder("test_efficientnet").train()
    before = statistics(one)
    one(torch.rand(4, 1, *SIZE))
    assert moved(before, one) == set(before)
    before = statistics(one.eval())
    one(torch.rand(4, 1, *SIZE))
    assert moved(before, one) == set()


# --- gradient checkpointing


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("frozen", [0, 2])
def test_checkpointing_computes_twice_and_changes_no_number(name, frozen):
    plain = encoder(name, frozen_stages=frozen)
    thrifty = encoder(name, frozen_stages=frozen, checkpoint=True)
    thrifty.load_state_dict(plain.state_dict())
    calls = []
    kind = (nn.Conv2d, nn.Linear)
    for module in thrifty.modules():
        if isinstance(module, kind):
            module.register_forward_hook(lambda *_: calls.append(1))
    images = torch.rand(2, 1, *SIZE)
    for _ in range(2):
        ours, theirs = plain(images), thrifty(images)
        once = len(calls)
        assert torch.equal(ours, theirs)
        ours.square().mean().backward()
        theirs.square().mean().backward()
        assert len(calls) > once
        calls.clear()
    for (at, one), (_, other) in zip(plain.named_parameters(), thrifty.named_parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), at
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad)
    assert all(torch.equal(a, b) for a, b in zip(statistics(plain).values(), statistics(thrifty).values(), strict=True))
    assert all(m.momentum > 0 for m in thrifty.modules() if isinstance(m, nn.BatchNorm2d))


def test_a_network_that_timm_cannot_checkpoint_is_named(monkeypatch):
    monkeypatch.delattr("timm.models._features.FeatureDictNet.set_grad_checkpointing")
    with pytest.raises(ConfigError, match=r"^method\.checkpoint: .*'test_resnet'"):
        encoder("test_resnet", checkpoint=True)


def test_a_checkpointing_encoder_can_be_copied_and_pickled():
    one = encoder("test_resnet", checkpoint=True).eval()
    images = torch.rand(1, 1, *SIZE)
    for again in (copy.deepcopy(one), pickle.loads(pickle.dumps(one))):
        assert torch.equal(again(images), one(images))
