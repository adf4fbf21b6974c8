"""Loss and gradient of one batch, of any size in a fixed memory, shared by any number of processes.

A contrastive loss compares all breasts of a batch with each other, so the gradients of parts of a batch do not add up
to that of the whole. Gradient caching (Gao et al. 2021) splits the chain rule where the batch comes together: encode
all parts without a graph; compute the loss of all embeddings and its gradient with respect to each; encode each part
again, with a graph, and go back through it from that gradient. One more forward pass buys a memory that does not grow
with the batch. Processes that share a batch exchange embeddings at the same place, and add their gradients at the end.

Both passes of a part draw the same dropout masks. BatchNorm takes the statistics of one part in both passes, and its
running averages move in the first alone; with ``method.batch_norm: frozen``, or an encoder without BatchNorm, the
result does not depend on the parts at all, and with ``batch`` it depends on their size as it depends on the batch size
elsewhere.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import record_function

from mvmlm.batch import Batch
from mvmlm.distributed import Group
from mvmlm.errors import TrainingError
from mvmlm.methods import Method

log = logging.getLogger(__name__)

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class Step:
    """Adds the gradient of a batch to the method's weights.

    Parameters
    ----------
    micro_batch : int
        Breasts at a time; 0: all at once. Halved where memory is short, and the batch is begun anew.
    precision : {'fp32', 'bf16', 'fp16'}
    scaler : GradScaler
        Scales the loss where the precision is fp16.

    Attributes
    ----------
    notes : list of str
        What was changed on the way.
    """

    def __init__(
        self, method: Method, *, group: Group, device: torch.device, precision: str, micro_batch: int, scaler
    ) -> None:
        self.method, self.group, self.device, self.scaler = method, group, device, scaler
        self.precision, self.micro_batch = precision, micro_batch
        self.notes: list[str] = []
        self.weights = [p for p in method.parameters() if p.requires_grad]

    def parts(self, rows: np.ndarray) -> list[np.ndarray]:
        """This process's rows of a batch, a part at a time."""
        size = self.micro_batch or len(rows)
        return np.array_split(rows, -(-len(rows) // size))

    def passes(self, rows: np.ndarray) -> list[np.ndarray]:
        """The parts in the order in which `__call__` takes them: each of several twice."""
        parts = self.parts(rows)
        return parts if len(parts) == 1 else [*parts, *parts]

    def __call__(
        self,
        rows: np.ndarray,
        counts: list[int],
        relations: Batch,
        take: Callable[[np.ndarray], Batch],
        share: float = 1.0,
    ) -> tuple[float, dict[str, float]]:
        """Loss of the whole batch and numbers to log; gradients are added to what the weights hold.

        Parameters
        ----------
        rows : ndarray
            This process's breasts.
        counts : list of int
            Breasts of each process.
        relations : Batch
            Who is who among all breasts of the batch, see `Method.objective`.
        take : callable
            The breasts of a part, on the device; called in the order of `passes`.
        share : float
            Weight of this batch in the optimiser's step.
        """
        parts = self.parts(rows)
        if len(parts) == 1 and self.group.size == 1:
            outputs = self._outputs(take(parts[0]))
            with record_function("mvmlm/loss"):
                loss, logs = self.method.objective(outputs, relations)
            with record_function("mvmlm/backward"):
                self.scaler.scale(loss * share).backward()
            return float(loss.detach()), logs
        states, kept = [], []
        for part in parts:
            states.append(_random_state(self.device))
            with torch.set_grad_enabled(len(parts) == 1):
                kept.append(self._outputs(take(part)))
        leaves, loss, logs = self._compare(kept, counts, relations, share)
        if len(parts) == 1:
            self._backward(kept[0], leaves, slice(None))
            return loss, logs
        ends = np.cumsum([0, *map(len, parts)])
        for i, part in enumerate(parts):
            with _replayed(states[i], self.device), still_statistics(self.method):
                outputs = self._outputs(take(part))
            self._backward(outputs, leaves, slice(ends[i], ends[i + 1]))
        return loss, logs

    def _outputs(self, batch: Batch) -> dict[str, Tensor]:
        with record_function("mvmlm/forward"), self._autocast():
            return self.method.outputs(batch)

    def _compare(
        self, kept: list[dict[str, Tensor]], counts: list[int], relations: Batch, share: float
    ) -> tuple[dict[str, Tensor], float, dict[str, float]]:
        """The loss of the whole batch; returned are this process's embeddings, with their gradients."""
        with record_function("mvmlm/loss"):
            mine = {name: torch.cat([out[name].detach() for out in kept]) for name in kept[0]}
            whole = {name: self.group.gather(value, counts).requires_grad_() for name, value in mine.items()}
            loss, logs = self.method.objective(whole, relations)
            scaled = self.scaler.scale(loss * share)
            sources = [*whole.values(), *self.weights]
            found = torch.autograd.grad(scaled, sources, allow_unused=True)
        start = sum(counts[: self.group.rank])
        rows = slice(start, start + counts[self.group.rank])
        for (name, value), gradient in zip(whole.items(), found):
            mine[name].grad = torch.zeros_like(mine[name]) if gradient is None else gradient[rows].to(value.dtype)
        for weight, gradient in zip(self.weights, found[len(whole) :]):
            if gradient is not None:  # of the loss itself, such as the temperature: each process has it whole
                part = gradient / self.group.size
                weight.grad = part if weight.grad is None else weight.grad + part
        return mine, float(loss.detach()), logs

    def _backward(self, outputs: dict[str, Tensor], leaves: dict[str, Tensor], rows: slice) -> None:
        with record_function("mvmlm/backward"):
            live = [name for name in outputs if outputs[name].requires_grad]
            gradients = [leaves[name].grad[rows] for name in live]
            torch.autograd.backward([outputs[name] for name in live], gradients)

    @torch.no_grad()
    def evaluate(self, rows: np.ndarray, relations: Batch, take: Callable[[np.ndarray], Batch]) -> float:
        """Loss of a batch that nothing is learnt from."""
        kept = [self._outputs(take(part)) for part in self.parts(rows)]
        loss, _ = self.method.objective({name: torch.cat([k[name] for k in kept]) for name in kept[0]}, relations)
        return float(loss)

    def _autocast(self):
        kind = AUTOCAST.get(self.precision, torch.bfloat16)
        return torch.autocast(self.device.type, kind, enabled=self.precision in AUTOCAST)

    def adapt(self, error: RuntimeError, largest: int) -> bool:
        """Make the next attempt at a batch possible; False when the error is none that can be adapted to.

        Parameters
        ----------
        largest : int
            Breasts of the batch that failed.

        Raises
        ------
        TrainingError
            When memory is short with a single breast.
        """
        if isinstance(error, torch._dynamo.exc.TorchDynamoException):
            return self._uncompile(error)
        text = str(error).lower()
        if not isinstance(error, torch.OutOfMemoryError) and not any(words in text for words in NO_MEMORY):
            return False
        size = self.micro_batch or largest
        if size == 1:
            raise TrainingError(
                "out of memory with one breast at a time (train.micro_batch is 1): take smaller images, "
                "method.checkpoint: true, a smaller encoder, or a larger GPU"
            ) from error
        self.micro_batch = (size + 1) // 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self._say(
            f"out of memory with {size} breasts at a time: train.micro_batch is {self.micro_batch} from here on; the "
            "loss is that of the whole batch as before, BatchNorm's statistics are those of fewer images"
        )
        return True

    def _uncompile(self, error: RuntimeError) -> bool:
        compiled = [m for m in self.method.modules() if m._compiled_call_impl is not None]
        for module in compiled:
            module._compiled_call_impl = None
        why = " ".join(str(error).split())[:160]
        self._say(f"train.compile: torch.compile failed here ({why}); this training runs without it")
        return bool(compiled)

    def _say(self, note: str) -> None:
        self.notes.append(note)
        log.warning("%s", note)


@contextmanager
def still_statistics(method: nn.Module) -> Iterator[None]:
    """BatchNorm's running averages do not move inside; what it computes is the same."""
    norms = [m for m in method.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    before = [(m.momentum, m.num_batches_tracked.clone()) for m in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, (momentum, tracked) in zip(norms, before):
            norm.momentum = momentum
            norm.num_batches_tracked.copy_(tracked)


def _random_state(device: torch.device) -> tuple[Tensor, Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


@contextmanager
def _replayed(state: tuple[Tensor, Tensor | None], device: torch.device) -> Iterator[None]:
    """Random numbers inside are those that followed ``state``; outside they go on as if nothing had been."""
    after = _random_state(device)
    _set_random_state(state, device)
    try:
        yield
    finally:
        _set_random_state(after, device)


def _set_random_state(state: tuple[Tensor, Tensor | None], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
