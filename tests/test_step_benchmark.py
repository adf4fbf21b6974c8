"""The benchmarks of a training step compare one model with itself, count as one does by hand, and end in time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from tests.benchmarks import gpu, roofline, step
from tests.benchmarks.__main__ import main as run

ROOT = Path(__file__).resolve().parents[1]
TINY = replace(step.Setting().small(), encoder="test_resnet", size=(96, 64))
ARGUMENTS = ["--device", "cpu", "--size", "96", "64", "--encoders", "test_resnet"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """No slower on tiny networks, and not slowed down by what else runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("train_text", [False, True])
@pytest.mark.parametrize("encoder", ["test_resnet", "test_efficientnet"])
def test_plain_and_ours_are_one_model(encoder, train_text):
    assert step.difference(replace(TINY, encoder=encoder, breasts=4), train_text=train_text) < step.SAME


def test_plain_and_ours_have_the_same_gradient():
    pair = step.Pair(replace(TINY, breasts=4).still(), train_text=True)
    pair.ours.gradient()
    pair.plain(*pair.given).backward()
    torch.nn.utils.clip_grad_norm_(pair.plain.parameters(), 1.0)
    ours, plain = pair.ours.method, pair.plain
    for mine, other in ((ours.encoder.net, plain.encoder), (ours.image, plain.image), (ours.text, plain.text)):
        for a, b in zip(mine.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad, atol=1e-4, rtol=1e-3)


def test_a_step_trains_what_it_says():
    frozen, trained = (step.Pair(TINY, train_text=train_text) for train_text in (False, True))
    for pair, moves in ((frozen, False), (trained, True)):
        before = pair.plain.bert.encoder.layer[0].output.dense.weight.clone()
        pair.plain_step(), pair.ours.step()
        assert (not torch.equal(before, pair.plain.bert.encoder.layer[0].output.dense.weight)) == moves
    assert frozen.ours.method.text_tower.backbone is None
    assert not torch.equal(before, trained.ours.method.text_tower.backbone.encoder.layer[0].output.dense.weight)


def test_the_command_prints_both_questions(capsys):
    run(["step", "--encoder", "test_resnet", "--size", "96", "64", "--repeats", "1", "--threads", "1", "--small"])
    said = capsys.readouterr().out
    assert "text frozen" in said and "like for like, text trained" in said
    assert said.count("ours bf16") == said.count("ours fp32") == 2 and "2 breasts (4 images) a step" in said


def test_options_without_one_benchmark_are_refused():
    with pytest.raises(SystemExit, match="name of one benchmark"):
        run(["step", "gpu", "--small"])


def test_two_different_models_are_not_compared(monkeypatch):
    monkeypatch.setattr(step, "difference", lambda *_, **__: 0.5)
    with pytest.raises(SystemExit, match=r"differ by 5.0e-01"):
        step.main(["--encoder", "test_resnet", "--size", "96", "64", "--threads", "1", "--small"])


def test_operations_of_a_depthwise_convolution_are_those_counted_by_hand():
    with roofline.Recorder() as recorder:
        layer = torch.nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False, device="meta", dtype=torch.bfloat16)
        layer(torch.empty(2, 6, 10, 8, device="meta", dtype=torch.bfloat16, requires_grad=True)).sum().backward()
    forward, backward = [o for o in recorder.operations if o.kind == "depthwise"]
    picture, weight = 2 * 6 * 10 * 8, 6 * 9
    assert forward.flops == 2 * picture * 9 and backward.flops == 2 * forward.flops
    assert forward.bytes == 2 * (2 * picture + weight)


def test_operations_without_groups_agree_with_the_counter_of_torch():
    work = roofline.count("resnet18", (96, 64), TINY)
    method = step.build(replace(TINY, encoder="resnet18", breasts=1)).to("meta").train()
    images, _, mask = step.noise(replace(TINY, breasts=1), "cpu")
    batch = step.batch_of(images, torch.empty(*mask.shape, TINY.text_width), mask)
    batch = replace(batch, images=batch.images.to("meta"), text=batch.text.to("meta"), text_mask=mask.to("meta"))
    with FlopCounterMode(display=False) as counter:
        sum(out.sum() for out in method.outputs(batch).values()).backward()
    assert work.flops() == pytest.approx(counter.get_total_flops() / 2, rel=1e-3)


def test_the_least_time_of_a_step_is_the_longer_of_both_summed_over_its_calls():
    calls = [roofline.Operation(100, 10, "product"), roofline.Operation(10, 40, "depthwise")]
    work = roofline.Work([*calls, roofline.Operation(0, 50, "other")], images=2)
    assert work.seconds(10.0, 10.0, fused=True) == (10.0 + 4.0) / 2
    assert work.seconds(10.0, 10.0, fused=False) == (10.0 + 4.0 + 5.0) / 2
    assert work.share(10.0, 10.0, fused=True) == pytest.approx(11 / 14)


def test_the_gpu_benchmark_runs_on_a_cpu_at_a_small_size(capsys):
    bench = gpu.Bench(gpu.parse(ARGUMENTS))
    bench.breasts = (2,)
    bench.numerics(), bench.card(), bench.sweep("test_resnet", compiled=False)
    bench.against_plain("test_resnet", train_text=False)
    found = bench.found
    assert found.numerics["float32"]["loss"] == pytest.approx(found.numerics["float32"]["loss_float64"], abs=1e-4)
    assert found.rows[0]["images_per_s"] > 0 and 0 < found.rows[0]["share_possible"]["eager"] <= 1
    assert found.against_plain[0]["text"] == "frozen" and "ratio" in capsys.readouterr().out


def test_the_gpu_benchmark_leaves_out_what_time_does_not_allow_and_says_so(tmp_path, capsys):
    out = tmp_path / "numbers.json"
    assert gpu.main([*ARGUMENTS, "--seconds", "0.01", "--out", str(out)]) == 0
    assert "left out" in capsys.readouterr().out
    said = json.loads(out.read_text())
    assert "test_resnet compiled" in said["left_out"] and said["rows"] == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_the_gpu_benchmark_says_where_there_is_no_gpu(capsys):
    assert gpu.main([]) == 2
    assert "no GPU here" in capsys.readouterr().out


def test_the_gpu_benchmark_needs_nothing_beside_torch_timm_and_transformers():
    absent = ("ray", "mlflow", "pydantic", "harness", "pydicom", "pandas", "scipy", "sklearn", "optuna", "cv2")
    code = f"import sys; sys.modules.update({{m: None for m in {absent!r}}})\nimport tests.benchmarks.gpu"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
