"""The training loop: AdamW, warm-up and cosine, a checkpoint an epoch; a resume changes no number."""

from __future__ import annotations

import copy
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mvmlm.data.augment import Augmentation, chances
from mvmlm.data.breast_batches import BreastData
from mvmlm.errors import DataError, MvmlmError
from mvmlm.methods import Method

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
MIN_BREASTS = 2


class TrainingError(MvmlmError):
    """A training cannot go on."""


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Batch 18 is the paper's; the rest is ours, after Mammo-CLIP's published settings.

    Attributes
    ----------
    batch_size : int
        Breasts, each with up to two images.
    epochs, min_steps : int
        Passes over the data; more of them where these would be fewer than ``min_steps`` steps, so that an arm with
        little data is not merely trained less (ours).
    lr, weight_decay : float
        Of AdamW with betas 0.9 and 0.98; norms, biases and other vectors are not decayed (both ours).
    warmup_epochs : float
        Linear warm-up, then a cosine to zero, step by step.
    precision : {'fp32', 'bf16'}
        bf16 is autocast; weights stay float32.
    grad_clip : float
        Largest norm of the gradient.
    augment : Augmentation
        Ours, and milder than Mammo-CLIP's, which also rotates, shears, scales and mirrors.
    workers : int
        Threads that prepare batches.
    """

    epochs: int = 10
    min_steps: int = 0
    batch_size: int = 18
    lr: float = 5e-5
    weight_decay: float = 1e-4
    warmup_epochs: float = 1.0
    precision: str = "bf16"
    grad_clip: float = 1.0
    augment: Augmentation = field(default_factory=Augmentation)
    workers: int = 0


def train(
    method: Method,
    data: BreastData,
    config: TrainConfig,
    *,
    seed: int,
    work_dir: Path,
    validation: BreastData | None = None,
    on_epoch: Callable[[dict], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    device: str = "auto",
) -> list[dict]:
    """Train in place, going on from the checkpoint in ``work_dir`` where there is one.

    The weights of the last epoch are kept: nothing is selected on validation data. On CPUs of one kind, with one
    number of threads, the result depends on data, settings and seed alone, bit for bit, however often the training
    was interrupted; on a GPU sums are not always added in the same order, and the last digits can differ.

    Parts of the method that have an ``lr_scale`` are trained at that share of the learning rate (`Method.lr_scales`).

    Parameters
    ----------
    method : Method
    work_dir : Path
        Where ``checkpoint.pt`` is written after each epoch.
    validation : BreastData, optional
        Its loss is logged.
    on_epoch : callable, optional
        Gets each epoch's record, and ``epochs``, the number of them that there will be.
    should_stop : callable, optional
        Asked after each epoch; True ends the training early, its checkpoint stays.

    Returns
    -------
    list of dict
        One record an epoch: ``epoch, loss``, the method's own numbers, ``val_loss, lr, images_per_s,
        seconds``.

    Raises
    ------
    DataError
        With fewer than two breasts.
    TrainingError
        When the loss or its gradient is no longer finite.
    """
    if len(data) < MIN_BREASTS:
        raise DataError(f"training needs at least {MIN_BREASTS} breasts with an image, there are {len(data)}")
    steps = len(data.order(config.batch_size, None))
    config = replace(config, epochs=max(config.epochs, -(-config.min_steps // steps)))
    target = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    method.to(target)
    loop = _Loop(method, data, config, seed, target)
    history = _resume(Path(work_dir) / CHECKPOINT, loop)
    for epoch in range(len(history) + 1, config.epochs + 1):
        record = loop.epoch(epoch)
        if validation is not None and len(validation) >= MIN_BREASTS:
            record["val_loss"] = loop.validate(validation)
        history.append(record)
        _save(Path(work_dir) / CHECKPOINT, loop, history)
        if on_epoch:
            on_epoch({**record, "epochs": config.epochs})
        if should_stop and should_stop():
            break
    method.to("cpu")
    return history


class _Loop:
    """One training's moving parts."""

    def __init__(
        self,
        method: Method,
        data: BreastData,
        config: TrainConfig,
        seed: int,
        device: torch.device,
    ) -> None:
        self.method, self.data, self.config, self.seed, self.device = method, data, config, seed, device
        groups, self.scales = _groups(method, config.weight_decay)
        self.optimiser = torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98))
        self.steps = len(data.order(config.batch_size, None))
        self.weights = [p for p in method.parameters() if p.requires_grad]

    def epoch(self, epoch: int) -> dict:
        """One pass over the data; torch's random state starts from (seed, epoch), so a resume is exact."""
        torch.manual_seed(self.seed * 1_000_003 + epoch)
        self.method.train()
        started, images = time.perf_counter(), 0
        sums: dict[str, float] = {}
        batches = self.data.epoch(
            self.config.batch_size,
            seed=self.seed,
            epoch=epoch,
            workers=self.config.workers,
            pin=self.device.type == "cuda",
        )
        drawn = chances(len(self.data), seed=self.seed, epoch=epoch)
        for step, (rows, given) in enumerate(batches):
            batch = given.to(self.device)
            batch = replace(batch, images=self.config.augment(batch.images, drawn[:, rows]))
            rate = learning_rate((epoch - 1) * self.steps + step, self.steps, self.config)
            for group, scale in zip(self.optimiser.param_groups, self.scales, strict=True):
                group["lr"] = rate * scale
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
                loss, logs = self.method.loss(batch)
            value = self._finite("loss", loss, epoch, step, rows)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.weights, self.config.grad_clip)
            self._finite("norm of the gradient", norm, epoch, step, rows)
            self.optimiser.step()
            images += int(given.view_mask.sum())
            for name, number in {"loss": value, **logs}.items():
                sums[name] = sums.get(name, 0.0) + number / self.steps
        seconds = time.perf_counter() - started
        return {"epoch": epoch, **sums, "lr": rate, "images_per_s": images / seconds, "seconds": seconds}

    @torch.no_grad()
    def validate(self, data: BreastData) -> float:
        """Mean loss over the validation breasts, without augmentation."""
        self.method.eval()
        losses = []
        for rows in data.order(self.config.batch_size, None):
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
                loss, _ = self.method.loss(data.batch(rows).to(self.device))
            losses.append(float(loss))
        return sum(losses) / len(losses)

    def _finite(self, what: str, number: Tensor, epoch: int, step: int, rows: np.ndarray) -> float:
        value = float(number.detach())
        if not math.isfinite(value):
            names = self.data.image_ids(rows)
            shown = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
            raise TrainingError(
                f"the {what} is {value} in epoch {epoch}, step {step + 1}; try a smaller train.lr, or look "
                f"at the images of this batch: {shown}"
            )
        return value


def learning_rate(step: int, steps_per_epoch: int, config: TrainConfig) -> float:
    """Linear warm-up to ``lr`` and a cosine from there, to zero one step after the last.

    Parameters
    ----------
    step : int
        From 0, over the whole training.
    """
    total, warm = config.epochs * steps_per_epoch, config.warmup_epochs * steps_per_epoch
    if step < warm:
        return config.lr * (step + 1) / (warm + 1)
    share = (step - warm) / max(1.0, total - warm)
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))


def _groups(method: Method, weight_decay: float) -> tuple[list[dict], list[float]]:
    """Groups for the optimiser, and the share of the learning rate that each is trained at."""
    parts = method.lr_scales()
    groups: dict[float, list[dict]] = {}
    for name, weight in method.named_parameters():
        if not weight.requires_grad:
            continue
        scale = next((share for part, share in parts.items() if name.startswith(f"{part}.")), 1.0)
        decayed, free = groups.setdefault(
            scale, [{"params": [], "weight_decay": weight_decay}, {"params": [], "weight_decay": 0.0}]
        )
        (decayed if weight.ndim > 1 else free)["params"].append(weight)
    return [g for pair in groups.values() for g in pair], [scale for scale in groups for _ in range(2)]


def _save(path: Path, loop: _Loop, history: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    state = {
        "config": _identity(loop),
        "seed": loop.seed,
        "method": loop.method.state_dict(),
        "optimiser": loop.optimiser.state_dict(),
        "history": history,
    }
    torch.save(state, temporary)
    os.replace(temporary, path)


def _resume(path: Path, loop: _Loop) -> list[dict]:
    """Load a checkpoint; its history, or an empty one where there is none or it cannot be used."""
    if not path.is_file():
        return []
    fresh = copy.deepcopy((loop.method.state_dict(), loop.optimiser.state_dict()))
    try:
        state = torch.load(path, map_location=loop.device, weights_only=True)
        if (state["config"], state["seed"]) != (_identity(loop), loop.seed):
            raise ValueError("it belongs to other settings")
        loop.optimiser.load_state_dict(state["optimiser"])
        loop.method.load_state_dict(state["method"])
        return list(state["history"])
    except Exception as error:
        why = " ".join(str(error).split())[:120]
        log.warning("%s cannot be used (%s): this training starts from the beginning", path, why)
        os.replace(path, path.with_suffix(".damaged"))
        loop.method.load_state_dict(fresh[0])
        loop.optimiser.load_state_dict(fresh[1])
        return []


def _identity(loop: _Loop) -> dict:
    """Settings that the numbers depend on."""
    said = {k: v for k, v in asdict(loop.config).items() if k != "workers"}
    scales = loop.method.lr_scales()
    return {**said, "lr_scales": scales} if scales else said
