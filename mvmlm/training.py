"""The training loop: AdamW, warm-up and cosine, checkpoints on the way; a resume changes no number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from mvmlm.data.augment import Augmentation
from mvmlm.data.breast_batches import BreastData
from mvmlm.distributed import ALONE, Group
from mvmlm.errors import DataError
from mvmlm.methods import Method
from mvmlm.training_loop import Loop

MIN_BREASTS = 2


@dataclass(frozen=True)
class TrainConfig:
    """How to train. Batch 18 is the paper's; the rest is ours, after Mammo-CLIP's published settings.

    Attributes
    ----------
    batch_size : int
        Breasts, each with up to two images, of all processes together.
    epochs, min_steps : int
        Passes over the data; more of them where these would be fewer than ``min_steps`` steps, so that an arm with
        little data is not merely trained less (ours).
    lr, weight_decay : float
        Of AdamW with betas 0.9 and 0.98; norms, biases and other vectors are not decayed (both ours).
    warmup_epochs : float
        Linear warm-up, then a cosine to zero, step by step.
    precision : {'fp32', 'bf16', 'fp16'}
        The halves are autocast; weights stay float32, and with fp16 the loss is scaled.
    grad_clip : float
        Largest norm of the gradient.
    augment : Augmentation
        Ours, and milder than Mammo-CLIP's, which also rotates, shears, scales and mirrors.
    micro_batch : int
        Breasts that are encoded at a time, by gradient caching (`mvmlm.training_step`); 0: the whole batch.
    accumulate : int
        Batches whose gradients are averaged for one step. The losses stay those of single batches, with the negatives
        of a single batch: for more negatives take a larger batch, and ``micro_batch``.
    layer_decay : float
        Factor of the learning rate from one layer of the image encoder to the one below.
    ema : float
        Share of a moving average of the weights that stays at each step; the average is what is kept. 0: none.
    patience : int
        Epochs without a lower validation loss that end the training; the weights of the best epoch are kept then.
        0: all epochs, and the last one's weights.
    compile : bool
        Whether the image encoder goes through ``torch.compile``; where that fails, training goes on without it.
    workers : int
        Threads that prepare batches.
    checkpoint_minutes : float
        A checkpoint is written after each epoch, and within one as often as this; 0: after epochs alone.
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
    micro_batch: int = 0
    accumulate: int = 1
    layer_decay: float = 1.0
    ema: float = 0.0
    patience: int = 0
    compile: bool = False
    workers: int = 0
    checkpoint_minutes: float = 10.0


@dataclass(frozen=True)
class Trained:
    """How a training went.

    Attributes
    ----------
    history : list of dict
        One record an epoch: ``epoch, loss``, the method's own numbers, ``val_loss, lr, images_per_s, seconds``.
    notes : list of str
        What a reader of its results must know.
    micro_batch : int
        Breasts at a time at the end; 0: the whole batch.
    kept_epoch : int
        Whose weights the method has now.
    """

    history: list[dict]
    notes: list[str]
    micro_batch: int
    kept_epoch: int


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
    group: Group = ALONE,
) -> Trained:
    """Train in place, going on from the checkpoint in ``work_dir`` where there is one.

    The weights of the last epoch are kept, unless ``patience`` asks for the best: nothing else is selected on
    validation data. On CPUs of one kind, with one number of threads, the result depends on data, settings and seed
    alone, bit for bit, however often the training was interrupted; on a GPU sums are not always added in the same
    order, and the last digits can differ.

    Parameters
    ----------
    method : Method
    work_dir : Path
        Where ``checkpoint.pt`` is written.
    validation : BreastData, optional
        Its loss is logged.
    on_epoch : callable, optional
        Gets each epoch's record, and ``epochs``, the number of them that there will be.
    should_stop : callable, optional
        Asked after each epoch; True ends the training early, its checkpoint stays.
    group : Group
        The processes that share each batch, each of which calls this with the same arguments. Only the first one's
        ``on_epoch`` and ``should_stop`` count.

    Returns
    -------
    Trained

    Raises
    ------
    DataError
        With fewer than two breasts, or ``patience`` without validation data.
    TrainingError
        When the loss or its gradient is no longer finite, or a single breast does not fit into memory.
    """
    if len(data) < MIN_BREASTS:
        raise DataError(f"training needs at least {MIN_BREASTS} breasts with an image, there are {len(data)}")
    watched = validation if validation is not None and len(validation) >= MIN_BREASTS else None
    if config.patience and watched is None:
        raise DataError("train.patience needs validation breasts, and there are none: raise data.val_fraction")
    steps = len(data.order(config.batch_size, None))
    config = replace(config, epochs=max(config.epochs, -(-config.min_steps // steps)))
    name = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    target = torch.device(f"cuda:{group.rank}" if name == "cuda" and group.size > 1 else name)
    method.to(target)
    loop = Loop(method, data, config, seed, target, Path(work_dir), group)
    while loop.epoch_number <= config.epochs and not loop.ended():
        record = loop.epoch()
        if watched is not None:
            record["val_loss"] = loop.validate(watched)
        loop.close_epoch(record)
        if on_epoch and group.rank == 0:
            on_epoch({**record, "epochs": config.epochs})
        stop = should_stop is not None and group.rank == 0 and should_stop()
        if group.agreed(float(stop), target):
            break
    return loop.finish()
