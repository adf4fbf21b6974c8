"""The moving parts of one training: batches in, weights and a history out, a checkpoint of all of it between."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.profiler import record_function

from mvmlm import checkpoint
from mvmlm.batch import Batch
from mvmlm.checkpoint import CHECKPOINT
from mvmlm.data.augment import chances
from mvmlm.data.breast_batches import BreastData, share
from mvmlm.distributed import ALONE, Group
from mvmlm.errors import TrainingError
from mvmlm.methods import Method
from mvmlm.optimiser import MovingAverage, Optimiser, learning_rate
from mvmlm.training_step import Step

if TYPE_CHECKING:
    from mvmlm.training import TrainConfig, Trained

RUNTIME = ("workers", "checkpoint_minutes")
"""Settings that change no result."""


class Loop:
    """One training's moving parts, and how far it has come."""

    def __init__(
        self,
        method: Method,
        data: BreastData,
        config: TrainConfig,
        seed: int,
        device: torch.device,
        work_dir: Path,
        group: Group = ALONE,
    ) -> None:
        self.method, self.data, self.config, self.seed, self.device = method, data, config, seed, device
        self.group, self.path = group, work_dir / CHECKPOINT
        self.optimiser = Optimiser(method, config)
        self.steps = len(data.order(config.batch_size, None))
        self.average = MovingAverage(method, config.ema) if config.ema else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self.step = Step(
            method,
            group=group,
            device=device,
            precision=config.precision,
            micro_batch=config.micro_batch,
            scaler=self.scaler,
        )
        self.history: list[dict] = []
        self.best: dict | None = None
        self.done, self.sums = 0, {}  # steps of the epoch under way, and what they added up to
        self.started = self.spent = 0.0  # when it began, and seconds that it took before an interruption
        self._resume()
        self.saved_at = time.perf_counter()
        if config.compile and hasattr(method, "encoder"):
            method.encoder.net.compile()

    @property
    def epoch_number(self) -> int:
        """The epoch under way, from 1."""
        return len(self.history) + 1

    def epoch(self) -> dict:
        """One pass over the data, or the rest of one."""
        self.method.train()
        epoch, self.started = self.epoch_number, time.perf_counter() - self.spent
        self.spent = 0.0
        order = self.data.shuffled(
            self.config.batch_size, seed=self.seed, epoch=epoch, world_size=self.group.size
        )
        drawn = chances(len(self.data), seed=self.seed, epoch=epoch, views=len(self.data.columns))
        while self.done < self.steps:
            batches = self._batches(order[self.done :], drawn, epoch)
            try:
                for rows, take in batches:
                    self._batch(rows, take, epoch)
                    self._save_in_time()
            except (RuntimeError, MemoryError) as error:
                if isinstance(error, TrainingError) or not self._adapt(error, order[self.done]):
                    raise
            finally:
                batches.close()
        self._share_statistics()
        rate, seconds = self._rate(self.steps - 1), time.perf_counter() - self.started
        sums, self.done, self.sums = self.sums, 0, {}
        images = sums.pop("images")
        return {"epoch": epoch, **sums, "lr": rate, "images_per_s": images / seconds, "seconds": seconds}

    def _batches(
        self, order: list[np.ndarray], drawn: np.ndarray, epoch: int
    ) -> Iterator[tuple[np.ndarray, Callable[[np.ndarray], Batch]]]:
        """Each batch's breasts, and what gives their parts one after the other, on the device."""
        mine = [share(rows, self.group.rank, self.group.size) for rows in order]
        stream = self.data.stream(
            chain.from_iterable(map(self.step.passes, mine)),
            epoch=epoch,
            workers=self.config.workers,
            pin=self.device.type == "cuda",
        )

        def take(part: np.ndarray) -> Batch:
            with record_function("mvmlm/loader"):
                batch = next(stream).to(self.device)
            with record_function("mvmlm/augment"):
                return replace(batch, images=self.config.augment(batch.images, drawn[:, part]))

        try:
            for rows in order:
                yield rows, take
        finally:
            stream.close()

    def _batch(self, rows: np.ndarray, take: Callable[[np.ndarray], Batch], epoch: int) -> None:
        """One batch; the optimiser's step when it is the last of those that are averaged."""
        config, number = self.config, self.done
        self._seed(epoch, number)
        parts = [share(rows, rank, self.group.size) for rank in range(self.group.size)]
        relations = self.data.relations(rows, epoch=epoch).to(self.device)
        first = number - number % config.accumulate
        averaged = min(config.accumulate, self.steps - first)
        if number == first:
            self.optimiser.adamw.zero_grad(set_to_none=True)
        with self._undone_on_error():
            loss, logs = self.step(
                parts[self.group.rank], [len(part) for part in parts], relations, take, 1.0 / averaged
            )
        self._finite("loss", loss, epoch, number, rows)
        if number == first + averaged - 1:
            with record_function("mvmlm/optimiser"):
                self._optimise(epoch, first, rows)
        self.done += 1
        for name, value in {"loss": loss, **logs}.items():
            self.sums[name] = self.sums.get(name, 0.0) + value / self.steps
        self.sums["images"] = self.sums.get("images", 0) + int(relations.view_mask.sum())

    def _optimise(self, epoch: int, number: int, rows: np.ndarray) -> None:
        """The step of the batches that began with ``number``."""
        weights = self.step.weights
        self.optimiser.set_rate(self._rate(number))
        self.scaler.unscale_(self.optimiser.adamw)
        if self.group.size > 1:
            for weight in weights:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            self.group.add([weight.grad for weight in weights])
        norm = torch.nn.utils.clip_grad_norm_(weights, self.config.grad_clip)
        if not self.scaler.is_enabled():  # fp16 finds its scale by steps that overflow, and leaves those out
            self._finite("norm of the gradient", float(norm), epoch, number, rows)
        self.scaler.step(self.optimiser.adamw)
        self.scaler.update()
        if self.average:
            self.average.update(self.method)

    def _seed(self, epoch: int, number: int) -> None:
        """Random numbers of a step depend on its place alone, so that a resume needs no state of theirs."""
        place = np.random.SeedSequence([self.seed, epoch, number, self.group.rank])
        torch.manual_seed(int(place.generate_state(1, np.uint64)[0]))

    def _undone_on_error(self) -> _Undo:
        """What a batch that fails has moved goes back: gradients and running statistics."""
        return _Undo(self.method, self.step.weights)

    def _adapt(self, error: RuntimeError | MemoryError, rows: np.ndarray) -> bool:
        if isinstance(error, MemoryError):
            error = RuntimeError(f"out of memory {error}")
        return self.step.adapt(error, len(share(rows, 0, self.group.size)))

    def _share_statistics(self) -> None:
        """Running averages of all processes become their mean."""
        if self.group.size > 1:
            moving = [buffer for buffer in self.method.buffers() if buffer.is_floating_point()]
            self.group.add(moving)
            for buffer in moving:
                buffer.div_(self.group.size)

    def _rate(self, number: int) -> float:
        return learning_rate(len(self.history) * self.steps + number, self.steps, self.config)

    def validate(self, data: BreastData) -> float:
        """Mean loss over the validation breasts, without augmentation, with the weights that would be kept.

        Each process takes its share of the batches.
        """
        self.method.eval()
        if self.average:
            self.average.swap(self.method)

        def take(part: np.ndarray) -> Batch:
            return data.batch(part).to(self.device)

        batches = data.order(self.config.batch_size, None)
        mine = batches[self.group.rank :: self.group.size]
        losses = [self.step.evaluate(rows, data.relations(rows).to(self.device), take) for rows in mine]
        if self.average:
            self.average.swap(self.method)
        total = torch.tensor([sum(losses)], dtype=torch.float64, device=self.device)
        self.group.add([total])
        return float(total) / len(batches)

    def close_epoch(self, record: dict) -> None:
        """Keep the record, the weights where they are the best so far, and a checkpoint."""
        self.history.append(record)
        if self.config.patience and (self.best is None or record["val_loss"] < self.best["val_loss"]):
            self.best = {"method": self._kept(), "val_loss": record["val_loss"], "epoch": record["epoch"]}
        self._save()

    def ended(self) -> bool:
        """Whether the validation loss has not fallen for as long as ``patience`` says."""
        return bool(self.best) and len(self.history) - self.best["epoch"] >= self.config.patience

    def finish(self) -> Trained:
        """The method with the weights that are kept, on the CPU."""
        if self.average:
            self.average.swap(self.method)
        if self.best:
            self.method.load_state_dict(self.best["method"])
        if self.config.compile and hasattr(self.method, "encoder"):
            self.method.encoder.net._compiled_call_impl = None  # a compiled call cannot be copied to another process
        self.method.to("cpu")
        kept = self.best["epoch"] if self.best else len(self.history)
        from mvmlm.training import Trained

        return Trained(self.history, self.step.notes, self.step.micro_batch, kept)

    def _kept(self) -> dict:
        """A copy of the weights that would be kept: the average where there is one."""
        average = self.average.average if self.average else {}
        return copy.deepcopy({**self.method.state_dict(), **average})

    def _finite(self, what: str, value: float, epoch: int, number: int, rows: np.ndarray) -> None:
        if not math.isfinite(value):
            names = self.data.image_ids(rows)
            shown = ", ".join(names[:6]) + (" …" if len(names) > 6 else "")
            raise TrainingError(
                f"the {what} is {value} in epoch {epoch}, step {number + 1}; try a smaller train.lr, or look "
                f"at the images of this batch: {shown}"
            )

    def _save_in_time(self) -> None:
        minutes = self.config.checkpoint_minutes
        between = self.done < self.steps and self.done % self.config.accumulate == 0
        if minutes and between and self.group.rank == 0 and time.perf_counter() - self.saved_at >= 60 * minutes:
            self._save()

    def _save(self) -> None:
        self.saved_at = time.perf_counter()
        if self.group.rank:
            return
        state = {name: give() for name, (give, _) in self._parts().items()}
        rest = {"history": self.history, "done": self.done, "sums": self.sums, "best": self.best}
        rest["spent"] = self.saved_at - self.started if self.done else 0.0
        told = {"micro_batch": self.step.micro_batch, "notes": self.step.notes}
        checkpoint.save(self.path, {"identity": self._identity(), **state, **rest, **told})

    def _resume(self) -> None:
        state = checkpoint.resume(self.path, self._identity(), self._parts(), self.device)
        if state is not None:
            self.history, self.done, self.sums = list(state["history"]), state["done"], state["sums"]
            self.best, self.step.notes = state["best"], list(state["notes"])
            self.step.micro_batch, self.spent = state["micro_batch"], state["spent"]

    def _parts(self) -> dict:
        parts = {
            "method": (self.method.state_dict, self.method.load_state_dict),
            "optimiser": (self.optimiser.adamw.state_dict, self.optimiser.adamw.load_state_dict),
            "scaler": (self.scaler.state_dict, self.scaler.load_state_dict),
        }
        if self.average:
            parts["average"] = (lambda: self.average.average, self.average.average.update)
        return parts

    def _identity(self) -> dict:
        """Settings that the numbers depend on."""
        said = {k: v for k, v in asdict(self.config).items() if k not in RUNTIME}
        return {**said, "seed": self.seed, "processes": self.group.size, "lr_scales": self.method.lr_scales()}


class _Undo:
    """Puts gradients and running statistics back where an error leaves the block."""

    def __init__(self, method: Method, weights: list[torch.nn.Parameter]) -> None:
        self.buffers = list(method.buffers())
        self.kept = [buffer.clone() for buffer in self.buffers]
        self.weights = weights
        self.gradients = [None if w.grad is None else w.grad.clone() for w in weights]

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, trace) -> None:
        if kind is None:
            return
        with torch.no_grad():
            for buffer, kept in zip(self.buffers, self.kept):
                buffer.copy_(kept)
        for weight, gradient in zip(self.weights, self.gradients):
            weight.grad = gradient
