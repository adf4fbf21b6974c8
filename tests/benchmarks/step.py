"""One training step of MV-MLM against a plain implementation of the same model: medians, and their ratio.

Both start from the same weights, see the same noise and must give the same loss in float32. Ours is the project's
method and engine: the text encoder's states kept, channels-last, PyTorch's fused attention, depthwise gradients of its
own, and bf16, the engine's default; its time in float32 stands beside it. ``plain_step.py`` says what the plain one is.
All take turns in one process. A second table is like for like: the text encoder, of BERT-base's shape with random
weights, is trained in both, so that ours has no kept states. Texts fill all their tokens, which spares ours nothing.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from transformers import BertConfig

from mvmlm.batch import Batch
from mvmlm.distributed import Group
from mvmlm.methods import Shapes
from mvmlm.models.mv_mlm import MVMLM
from mvmlm.models.text_tower import backbone_config
from mvmlm.optimiser import Optimiser
from mvmlm.training_step import Step
from tests.benchmarks.plain_step import PlainMVMLM, plain_step

LOSS = {"ii_weight": 1.0, "same_report": "mask", "same_patient": "mask", "temperature": 0.07, "learn_temperature": True}
WORDS = 28996  # of a cased BERT
NAMES = {"plain": "plain", "fp32": "ours fp32", "bf16": "ours bf16"}
SAME = 1e-4  # largest difference between the losses, in float32


@dataclass(frozen=True)
class Setting:
    """What is trained on what.

    Attributes
    ----------
    size : (int, int)
        Height and width of the images [pixels].
    breasts : int
        A step, each with two images.
    text_layers, text_width, length : int
        Of the text encoder; ``length`` is the tokens of a text.
    model : dict
        Options of MV-MLM that both sides share.
    """

    encoder: str = "tf_efficientnet_b5"
    size: tuple[int, int] = (760, 456)
    breasts: int = 2
    text_layers: int = 12
    text_width: int = 768
    length: int = 256
    model: dict = field(
        default_factory=lambda: {
            "tokens": 256, "width": 512, "depth": 4, "heads": 8, "projection": 512, "dropout": 0.1,
        }
    )  # fmt: skip

    def small(self) -> Setting:
        """The same with a text encoder and transformers of toy size."""
        model = {"tokens": 8, "width": 32, "depth": 2, "heads": 2, "projection": 16, "dropout": 0.1}
        return replace(self, text_layers=2, text_width=32, length=12, model=model)

    def still(self) -> Setting:
        """The same without dropout, so that two computations can be compared."""
        return replace(self, model={**self.model, "dropout": 0.0})

    def bert(self) -> BertConfig:
        """BERT's configuration: heads of 64 channels, feed-forward four times as wide."""
        p = self.model["dropout"]
        return BertConfig(
            vocab_size=WORDS,
            hidden_size=self.text_width,
            num_hidden_layers=self.text_layers,
            num_attention_heads=max(1, self.text_width // 64),
            intermediate_size=4 * self.text_width,
            hidden_dropout_prob=p,
            attention_probs_dropout_prob=p,
        )


class Engine:
    """The project's own step: its gradient, clipping and optimiser, as a training has them.

    Parameters
    ----------
    method : MVMLM
    batch : Batch
        The same in every step, on the device.
    precision : {'fp32', 'bf16'}
    """

    def __init__(self, method: MVMLM, batch: Batch, precision: str = "fp32") -> None:
        self.method, self.batch = method.train(), batch
        device = batch.images.device
        self._optimiser = Optimiser(method, SimpleNamespace(lr=5e-5, weight_decay=1e-4, layer_decay=1.0)).adamw
        scaler = torch.amp.GradScaler(device.type, enabled=False)
        self._step = Step(method, group=Group(), device=device, precision=precision, micro_batch=0, scaler=scaler)

    def gradient(self) -> tuple[float, float]:
        """The loss and the norm of its gradient, which is clipped to 1."""
        self._optimiser.zero_grad(set_to_none=True)
        count = len(self.batch)
        loss, _ = self._step(np.arange(count), [count], self.batch, lambda _: self.batch)
        return loss, float(torch.nn.utils.clip_grad_norm_(self._step.weights, 1.0))

    def step(self) -> float:
        """One step; the loss."""
        loss, _ = self.gradient()
        self._optimiser.step()
        return loss


class Pair:
    """Ours and the plain one, with the same weights, on the same noise.

    Parameters
    ----------
    train_text : bool
        Whether the text encoder is trained in both.
    precision : {'fp32', 'bf16'}
        Of ours; the plain one stays in float32.

    Attributes
    ----------
    ours : Engine
    plain : PlainMVMLM
    given : tuple of Tensor
        Images, token ids and mask, for the plain one.
    """

    def __init__(self, setting: Setting, *, train_text: bool, device: str = "cpu", precision: str = "fp32") -> None:
        torch.manual_seed(0)
        bert = setting.bert()
        self.plain = PlainMVMLM(
            setting.encoder, setting.size, bert, train_text=train_text, length=setting.length, **setting.model
        ).to(device)
        method = build(setting, backbone=backbone_config(self.plain.bert) if train_text else None).to(device)
        copy_weights(self.plain, method)
        self.given = noise(setting, device)
        images, text, mask = self.given
        if not train_text:  # once, as the stage `text` does
            with torch.no_grad():
                text = self.plain.eval().bert(input_ids=text, attention_mask=mask.long()).last_hidden_state
        self.ours = Engine(method, batch_of(images, text, mask), precision)
        self._optimiser = torch.optim.AdamW(
            [p for p in self.plain.parameters() if p.requires_grad], lr=5e-5, weight_decay=1e-4
        )
        self.plain.train()

    def losses(self) -> tuple[float, float]:
        """Ours and the plain one's, in training mode."""
        with torch.no_grad():
            return float(self.ours.method.loss(self.ours.batch)[0]), float(self.plain(*self.given))

    def plain_step(self) -> float:
        """One step; the loss."""
        return plain_step(self.plain, self._optimiser, *self.given)


def build(setting: Setting, *, backbone: dict | None = None) -> MVMLM:
    """Ours, with fresh weights; with a ``backbone`` the text encoder is trained in it."""
    shapes = Shapes(setting.size, setting.text_width, setting.length, backbone)
    options = MVMLM.Options(encoder=setting.encoder, text_tokens=setting.model["tokens"], **setting.model)
    return MVMLM.build(options, shapes, LOSS)


def batch_of(images: Tensor, text: Tensor, mask: Tensor) -> Batch:
    """Breasts of different patients with different reports."""
    who = torch.arange(len(images), device=images.device)
    there = torch.ones(images.shape[:2], dtype=torch.bool, device=images.device)
    return Batch(images=images, view_mask=there, patient=who, text=text, text_mask=mask, text_id=who)


def noise(setting: Setting, device: str) -> tuple[Tensor, Tensor, Tensor]:
    """Images (B, 2, 1, H, W) in [0, 1], token ids (B, L) and a mask (B, L) that is True throughout."""
    images = torch.rand(setting.breasts, 2, 1, *setting.size, device=device)
    ids = torch.randint(WORDS, (setting.breasts, setting.length), device=device)
    return images, ids, torch.ones_like(ids, dtype=torch.bool)


def copy_weights(source: PlainMVMLM, target: MVMLM) -> None:
    """Weights of the plain model into ours, part by part, in the order in which both define them."""
    pairs = [(source.encoder, target.encoder.net), (source.image, target.image), (source.text, target.text)]
    if target.text_tower.backbone is not None:
        pairs.append((source.bert, target.text_tower.backbone))
    with torch.no_grad():
        for theirs, ours in pairs:
            for given, place in zip(theirs.parameters(), ours.parameters(), strict=True):
                if given.shape != place.shape:
                    raise ValueError(f"weights of shape {tuple(given.shape)} do not fit {tuple(place.shape)}")
                place.copy_(given)


def difference(setting: Setting, *, train_text: bool) -> float:
    """How far the two losses are apart, without dropout."""
    ours, plain = Pair(setting.still(), train_text=train_text).losses()
    return abs(ours - plain)


@dataclass
class Times:
    """Of one way, one number a repetition [s]."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def take(self, step: Callable[[], float]) -> None:
        """Time one step, by the clock and by what the process has used of the cores."""
        started, used = time.perf_counter(), time.process_time()
        step()  # it returns the loss as a number, so that a GPU has finished
        self.wall.append(time.perf_counter() - started)
        self.cpu.append(time.process_time() - used)


def alternate(ways: dict[str, Callable[[], float]], repeats: int) -> dict[str, Times]:
    """One step of each way to warm up, then ``repeats`` of each, taking turns."""
    for step in ways.values():
        step()
    times = {name: Times() for name in ways}
    for _ in range(repeats):
        for name, step in ways.items():
            gc.collect()
            times[name].take(step)
    return times


def compare(setting: Setting, repeats: int, *, train_text: bool) -> dict[str, Times]:
    """Times of ``plain``, ``fp32`` and ``bf16``, the last two being ours."""
    pair = Pair(setting, train_text=train_text)
    half = Engine(pair.ours.method, pair.ours.batch, "bf16")
    return alternate({"plain": pair.plain_step, "fp32": pair.ours.step, "bf16": half.step}, repeats)


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Options of the command line."""
    known = Setting()
    parser = argparse.ArgumentParser("python -m tests.benchmarks step", description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default=known.encoder, help="a timm name")
    parser.add_argument("--size", type=int, nargs=2, default=known.size, metavar=("HEIGHT", "WIDTH"), help="[pixels]")
    parser.add_argument("--breasts", type=int, default=known.breasts, help="a step, two images each")
    parser.add_argument("--repeats", type=int, default=5, help="timed steps a way")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="toy text encoder and transformers")
    return parser.parse_args(argv)


def main(argv: Sequence[str] = ()) -> None:
    """Print the conditions, a table, and a ratio for each of the two questions."""
    said = parse(argv)
    torch.set_num_threads(said.threads)
    setting = Setting(encoder=said.encoder, size=tuple(said.size), breasts=said.breasts)
    setting = setting.small() if said.small else setting
    print(
        f"step: {setting.encoder} at {setting.size[0]}×{setting.size[1]}, {setting.breasts} breasts "
        f"({2 * setting.breasts} images) a step, texts of {setting.length} tokens, text encoder of "
        f"{setting.text_layers} layers and {setting.text_width} channels; {processor()}, {said.threads} threads, "
        f"PyTorch {torch.__version__}"
    )
    for train_text, title in ((False, "text frozen: ours keeps its states"), (True, "like for like, text trained")):
        apart = difference(setting, train_text=train_text)
        if not apart < SAME:
            raise SystemExit(f"step: the two losses differ by {apart:.1e}; this would compare two models")
        times = compare(setting, said.repeats, train_text=train_text)
        print(table(title, times, images=2 * setting.breasts, apart=apart), flush=True)


def table(title: str, times: dict[str, Times], *, images: int, apart: float) -> str:
    """Lines of one question."""
    plain = times["plain"]
    lines = [f"{title}; losses differ by {apart:.0e}; {len(plain.wall)} turns, load {os.getloadavg()[0]:.1f}"]
    lines.append(
        f"  {'':10} {'median s':>9} {'lowest s':>9} {'highest s':>9} {'core s':>8} {'images/s':>9}  ratios: "
        "median, lowest, core seconds"
    )
    for name, of in times.items():
        wall = median(of.wall)
        ratios = (median(plain.wall) / wall, min(plain.wall) / min(of.wall), median(plain.cpu) / median(of.cpu))
        lines.append(
            f"  {NAMES[name]:10} {wall:9.3f} {min(of.wall):9.3f} {max(of.wall):9.3f} {median(of.cpu):8.3f} "
            f"{images / wall:9.2f}  " + ", ".join(f"{ratio:.2f}" for ratio in ratios)
        )
    return "\n".join(lines)


def processor() -> str:
    """Name of the processor and how many cores this process may use."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}, {len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores"


if __name__ == "__main__":
    main()
