"""What a method is, the registry of methods, and how one is built, saved and loaded."""

from __future__ import annotations

import hashlib
import inspect
import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mvmlm.batch import Batch
from mvmlm.errors import ConfigError, DataError
from mvmlm.registry import Registry

WEIGHTS, DESCRIPTION = "model.safetensors", "method.json"


@dataclass(frozen=True)
class Shapes:
    """What a method must know of the data before it is built.

    Attributes
    ----------
    image_size : (int, int)
        Height and width [pixels].
    text_width, text_length : int or None
        Width of the text encoder's states and tokens of the longest text, where there is text.
    text_backbone : dict or None
        Configuration of the text encoder, where it is trained with the method and texts come as token ids; without it
        they come as states.
    classes : int
        Number of classes of the labels, where these are class indices; 0 where they are true or false, or not read.
    """

    image_size: tuple[int, int]
    text_width: int | None = None
    text_length: int | None = None
    text_backbone: dict | None = None
    classes: int = 0


class Method(nn.Module, ABC):
    """Something that is trained and then encodes images; it knows nothing of data sets, stages, trackers.

    Attributes
    ----------
    uses : frozenset of str
        What it reads beside images: ``text``, ``loss`` (the loss section), ``labels``. Only these become part
        of a training's key.
    differs : str
        What sets it apart from the method before it, in one line.
    texts : int
        Texts of a breast that a batch brings: with 2, ``other_text`` too.
    trains_text : bool
        Whether it has a `TextTower` named ``text_tower``, in which the text encoder can be trained.
    version : int
        Part of a training's key. Raise it when the code computes something else than before for the same options.
    Options : dataclass
        The ``method.*`` settings that it reads, with defaults.
    """

    version: ClassVar[int] = 1
    uses: ClassVar[frozenset[str]] = frozenset()
    trains_text: ClassVar[bool] = False
    texts: ClassVar[int] = 1
    differs: ClassVar[str] = ""

    @dataclass(frozen=True)
    class Options:
        """A method without settings."""

    @classmethod
    @abstractmethod
    def build(cls, options: Any, shapes: Shapes, loss: dict | None = None) -> Method:
        """Make one with fresh weights from torch's current random state.

        Parameters
        ----------
        options : Options
        shapes : Shapes
        loss : dict, optional
            The loss section, for methods that use it.
        """

    @abstractmethod
    def encode_image(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Encode views.

        Parameters
        ----------
        images : Tensor, shape (B, V, 1, H, W), float32 in [0, 1]

        Returns
        -------
        tokens : Tensor, shape (B, V, N, D)
        embedding : Tensor, shape (B, V, E), L2-normalised
        """

    def encode_present(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """`encode_image` of the views that exist, and zeros in the places of those that do not.

        A missing view must not even be encoded: in training, black images would move the batch statistics
        of all others.
        """
        there = batch.view_mask
        if there.all():
            return self.encode_image(batch.images)
        found = self.encode_image(batch.images[there][:, None])
        tokens, embedding = (f.new_zeros(*there.shape, *f.shape[2:]) for f in found)
        tokens[there], embedding[there] = found[0][:, 0], found[1][:, 0]
        return tokens, embedding

    def lr_scales(self) -> dict[str, float]:
        """Parts that are trained at a share of the learning rate, by name: those with an ``lr_scale`` of their own."""
        return {name: part.lr_scale for name, part in self.named_modules() if hasattr(part, "lr_scale")}

    @abstractmethod
    def outputs(self, batch: Batch) -> dict[str, Tensor]:
        """What the loss compares, computed for each breast by itself.

        Returns
        -------
        dict of Tensor, each of shape (B, …)
            Nothing in it is reduced over the batch: so a batch can be encoded in parts, and by several processes.
        """

    @abstractmethod
    def objective(self, outputs: dict[str, Tensor], batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """The loss of a whole batch, a scalar, and numbers to log.

        Parameters
        ----------
        outputs : dict of Tensor
            Of all breasts of the batch, from `outputs`.
        batch : Batch
            Who is who: ``images`` and ``text`` may be None.
        """

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """`objective` of the `outputs` of a batch."""
        return self.objective(self.outputs(batch), batch)


METHODS: Registry[type[Method]] = Registry(
    "method", packages=("mvmlm.models", "baselines"), entry_points="mvmlm.methods"
)


def source_digest(name: str) -> str:
    """Digest of the file that defines a method (12 hexadecimal digits): tells whether its code was touched."""
    path = Path(inspect.getsourcefile(METHODS.get(name)) or "")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else ""


def check_trains_text(name: str) -> None:
    """A method in which the text encoder cannot be trained is a `ConfigError`."""
    if not METHODS.get(name).trains_text:
        able = ", ".join(known for known in METHODS.names() if METHODS.get(known).trains_text)
        raise ConfigError(f"text.trainable: method {name} cannot train the text encoder (these can: {able})")


def build_method(config: dict, shapes: Shapes, *, loss: dict | None = None, seed: int = 0) -> Method:
    """A method with fresh weights that depend on its settings and the seed alone.

    Parameters
    ----------
    config : dict
        ``name`` and the method's options.

    Raises
    ------
    ConfigError
        When an option cannot be, or the text encoder is to be trained in a method that has no place for it.
    """
    kind = METHODS.get(config["name"])
    if shapes.text_backbone is not None:
        check_trains_text(config["name"])
    options = kind.Options(**{k: v for k, v in config.items() if k != "name"})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        method = kind.build(options, shapes, loss)
    method.description = {
        "method": {"name": config["name"], **asdict(options)},
        **asdict(shapes),
        "loss": loss,
    }
    return method


def save_method(method: Method, folder: Path) -> None:
    """Write weights and a description from which `load_method` builds the same method again."""
    folder = Path(folder)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in method.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    (folder / DESCRIPTION).write_text(json.dumps(method.description, indent=1))


def load_method(folder: Path) -> Method:
    """A method that `save_method` wrote, in eval mode, on the CPU.

    Raises
    ------
    DataError
        When a file is missing or damaged.
    """
    folder = Path(folder)
    try:
        said = json.loads((folder / DESCRIPTION).read_text())
        weights = load_file(folder / WEIGHTS)
        config = dict(said["method"])
        texts = (said["text_width"], said["text_length"], said.get("text_backbone"), said.get("classes", 0))
        shapes = Shapes(tuple(said["image_size"]), *texts)
        loss = said["loss"]
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise DataError(f"{folder}: no whole method ({' '.join(str(error).split())[:120]})") from error
    start = {"pretrained": False, "weights": ""}  # what it starts from is of no account: its weights come from here
    known = {f.name for f in fields(METHODS.get(config["name"]).Options)}
    config.update({name: value for name, value in start.items() if name in known})
    method = build_method(config, shapes, loss=loss)
    try:
        method.load_state_dict(weights)
    except RuntimeError as error:
        why = " ".join(str(error).split())[:120]
        raise DataError(f"{folder}: the weights are not those of {DESCRIPTION} ({why})") from error
    method.description = {**method.description, "method": said["method"]}
    return method.eval()
