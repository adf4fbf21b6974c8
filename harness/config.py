"""The settings of one cell, strict: an unknown key or a wrong type is an error.

Defaults are the paper's where it states one (its image size, batch, token count, transformer); the others are ours
and say so.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.search_config import SearchConfig


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class DataConfig(Section):
    """Which data set, where it lies, and how it is split."""

    name: str = Field("phantom", description="a reader: phantom, vindr, table, …")
    root: str | None = Field(None, description="folder of the data set, in its published layout")
    options: dict[str, Any] = Field(default_factory=dict, description="the reader's own options")
    val_fraction: float = Field(
        0.1, ge=0, lt=1, description="share of training patients kept for validation (ours)"
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share of patients tested where a set has no official split (ours)"
    )
    split_seed: int = Field(0, ge=0, description="seed of both splits")
    max_bad_share: float = Field(
        0.02, ge=0, le=1, description="share of unusable images that stops the run (ours)"
    )
    follow_links: bool = Field(False, description="whether symbolic links may lead out of data.root")


class ImagesConfig(Section):
    """How an image becomes a row of the store. 1520×912 is the paper's size."""

    height: int = Field(1520, ge=16, description="pixels")
    width: int = Field(912, ge=16, description="pixels")
    intensity: Literal["voi", "percentile"] = Field(
        "voi", description="the file's own window, or the breast's percentiles"
    )
    crop: bool = Field(True, description="crop to the breast")
    reduced: bool = Field(
        False, description="decode JPEG 2000 at a part of its resolution where that is enough: faster, not the same"
    )


class LLMConfig(Section):
    """The language model of ``reports.source: llm``."""

    backend: str = Field("transformers", description="transformers: loaded here; openai: any server of that protocol")
    model: str = Field("tiny_llama", description="tiny_llama, a local folder, a hub id, or what the server calls it")
    prompt: str = Field("brief", description="brief, radiologist, or the path of a Jinja template")
    temperature: float = Field(0.7, ge=0, description="0 takes the likeliest token each time")
    top_p: float = Field(0.9, gt=0, le=1, description="share of the probability that is drawn from")
    max_tokens: int = Field(256, ge=8, description="of an answer; longer ones are cut")
    precision: Literal["auto", "fp32", "bf16"] = Field("auto", description="auto: bf16 on a GPU, else fp32")
    batch_size: int = Field(16, ge=1, description="answers at a time; halved where memory is short; part of no key")
    device: str = Field("auto", description="a torch device; part of no key")
    url: str = Field("", description="of the server, such as http://localhost:8000/v1; part of no key")
    key_variable: str = Field("OPENAI_API_KEY", description="environment variable that holds the server's key")
    concurrency: int = Field(8, ge=1, description="questions at a time; part of no key")
    timeout_s: float = Field(60.0, gt=0, description="of one question; part of no key")
    retries: int = Field(5, ge=0, description="of one question; part of no key")
    budget_tokens: int = Field(0, ge=0, description="read and written, at most; 0: no limit; part of no key")


class ReportsConfig(Section):
    """How a record becomes a report."""

    source: str = Field("template", description="tabular, template, paraphrase, llm, clinical, …")
    fields: list[str] | None = Field(
        None, description="fields of the record that may enter; none: all that are allowed"
    )
    samples: int = Field(1, ge=1, description="texts a record, of sources that vary; they rotate over the epochs")
    unfaithful: Literal["keep", "regenerate", "template", "drop"] = Field(
        "keep", description="what happens to a text of an LLM that its record does not bear out"
    )
    attempts: int = Field(3, ge=1, description="how often regenerate asks again; then the template's text stands in")
    seed: int = Field(0, ge=0, description="of what is drawn in writing; the same for all seeds of a training")
    options: dict[str, Any] = Field(default_factory=dict, description="of a source from another package")
    llm: LLMConfig = LLMConfig()


class TextConfig(Section):
    """The text encoder."""

    encoder: str = Field("tiny_bert", description="tiny_bert, a local folder, or a hub id")
    max_length: int = Field(128, ge=8, description="tokens; longer texts are cut, and counted")
    trainable: bool = Field(False, description="whether it is trained too; then nothing of it is cached")
    lr_scale: float = Field(0.1, gt=0, description="its learning rate, as a share of train.lr (ours)")


class MethodConfig(BaseModel):
    """A method and its own options, which the method's ``Options`` declare."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    name: str = Field("mvmlm", description="a registered method")


class LossConfig(Section):
    """The contrastive loss; every default is ours, after the common practice."""

    kind: Literal["info_nce", "sigmoid"] = Field("info_nce", description="softmax over the batch, or SigLIP's pairs")
    bias: float = Field(-10.0, description="of the sigmoid loss, at the start (SigLIP's)")
    ii_weight: float = Field(1.0, ge=0, description="weight of the image-image term (λ)")
    tt_weight: float = Field(0.5, ge=0, description="weight of the text-text term, where a method has one")
    ii_negatives: Literal["other_view", "both_views"] = Field(
        "other_view", description="between views, negatives are other breasts in the other view, or in both (NT-Xent)"
    )
    same_report: Literal["negative", "mask", "positive"] = Field(
        "mask", description="other breasts with the same report: one text, or wordings of one record"
    )
    same_patient: Literal["negative", "mask"] = Field(
        "mask", description="the other breast of the same patient"
    )
    temperature: float = Field(0.07, gt=0, description="at the start")
    learn_temperature: bool = Field(True, description="whether it is learnt")


class AugmentConfig(Section):
    """How training images are changed at random (docs/augmentation.md); the defaults are ours, and mild."""

    flip: float = Field(0.0, ge=0, le=1, description="share of images mirrored left to right")
    vertical_flip: float = Field(0.0, ge=0, le=1, description="share of images turned upside down")
    affine: float = Field(
        1.0, ge=0, le=1, description="share of images that rotate, shift, scale and shear apply to"
    )
    rotate: float = Field(0.0, ge=0, le=180, description="largest angle, in degrees")
    shift: float = Field(0.04, ge=0, lt=0.5, description="largest shift, as a share of the side")
    scale: float = Field(0.0, ge=0, lt=1, description="largest relative change of size")
    shear: float = Field(0.0, ge=0, lt=45, description="largest angle, in degrees")
    crop: float = Field(0.0, ge=0, lt=1, description="largest share of the sides that a crop cuts off")
    intensity: float = Field(0.1, ge=0, lt=1, description="largest relative change of the gain")
    gamma: float = Field(0.0, ge=0, description="grey values to a power from 1 / (1 + gamma) to 1 + gamma")
    erase: float = Field(0.0, ge=0, le=1, description="share of images that lose a rectangle")


class TrainConfig(Section):
    """Optimisation. Batch 18 is the paper's; the rest is ours."""

    epochs: int = Field(10, ge=1)
    min_steps: int = Field(
        0, ge=0, description="optimiser steps at least: more epochs where there is little data (ours)"
    )
    batch_size: int = Field(18, ge=2, description="breasts; each has up to two images")
    lr: float = Field(5e-5, gt=0, description="peak learning rate of AdamW")
    weight_decay: float = Field(1e-4, ge=0)
    warmup_epochs: float = Field(1.0, ge=0, description="linear warm-up, then cosine")
    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    grad_clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    augment: AugmentConfig = AugmentConfig()
    micro_batch: int = Field(
        0, ge=0, description="breasts encoded at a time, the loss still over the whole batch (gradient caching); 0: all"
    )
    accumulate: int = Field(1, ge=1, description="batches averaged for one step; adds no negatives, micro_batch does")
    layer_decay: float = Field(1.0, gt=0, le=1, description="factor of the learning rate a layer down the encoder")
    ema: float = Field(0.0, ge=0, lt=1, description="share of the weights' moving average that stays; 0: none")
    compile: bool = Field(False, description="torch.compile of the image encoder; without it where that fails")
    processes: int = Field(
        1, ge=1, description="processes that share each batch, one to a GPU (resources.pretrain.gpu)"
    )
    nodes: int = Field(1, ge=1, description="machines that the processes are spread over; part of no key")
    workers: int = Field(0, ge=0, description="loader threads; changes no result, part of no key")
    checkpoint_minutes: float = Field(10.0, ge=0, description="between checkpoints within an epoch; part of no key")


class FineTuneConfig(Section):
    """Training on end to end, of protocol ``finetune`` and ``risk.embeddings: finetuned``; the same for all arms.

    Every default is ours.
    """

    lrs: list[float] = Field(
        default=[3e-5, 1e-4, 3e-4], min_length=1, description="peak learning rates; the lowest validation loss chooses"
    )
    epochs: int = Field(10, ge=1, description="at most, of each learning rate")
    min_steps: int = Field(200, ge=0, description="optimiser steps: more epochs where there is little data")
    batch_size: int = Field(18, ge=2, description="breasts of two images; of risk, exams of four")
    patience: int = Field(3, ge=0, description="epochs without a lower validation loss, then it ends; 0: it does not")
    weight_decay: float = Field(1e-4, ge=0)
    warmup_epochs: float = Field(1.0, ge=0, description="linear warm-up, then cosine")
    precision: Literal["fp32", "bf16", "fp16"] = "bf16"
    val_share: float = Field(0.2, gt=0, lt=1, description="share of the granted patients kept for validation")
    augment: AugmentConfig = AugmentConfig()


class ZeroShotConfig(Section):
    """Classes told by words alone, of protocol ``zero_shot``."""

    prompts: str | None = Field(
        None, description="a YAML file of prompts, tasks → classes → texts; none: those that come with the package"
    )


class RiskConfig(Section):
    """Protocol ``risk``: what the features of an exam say of the years to come. Every default is ours."""

    embeddings: Literal["frozen", "finetuned"] = Field(
        "frozen", description="as pretrained, or trained on together with the hazard layer (eval.finetune)"
    )
    model: Literal["hazard", "cox"] = Field("hazard", description="Mirai's additive-hazard layer, or Cox's model")
    fuse: Literal["mean", "max", "mean_max", "mean_difference"] = Field(
        "mean", description="how an exam's features come from those of its breasts"
    )
    exclude_months: float = Field(6.0, ge=0, description="exams with a diagnosis within this time are left out")
    years: int = Field(5, ge=1, le=30, description="last year of the prediction")
    mask: Literal["ipcw", "mirai"] = Field("ipcw", description="years that train the hazard layer")


class EvalConfig(Section):
    """What is evaluated, and how."""

    task: str = Field("mass", description="set by the ablation's tasks")
    protocol: str = Field("linear_probe", description="set by the ablation's protocols")
    fraction: float = Field(
        1.0, gt=0, le=1, description="share of the training patients whose labels are used"
    )
    representation: Literal["embedding", "tokens_max"] = "embedding"
    folds: int = Field(5, ge=2, description="folds, by patient, that choose the probe's strength")
    strengths: list[float] = Field(
        default=[1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0],
        min_length=1,
        description="L2 penalties to choose from, of the mean log loss",
    )
    draws: int = Field(1000, ge=10, description="bootstrap draws of an interval")
    finetune: FineTuneConfig = FineTuneConfig()
    zero_shot: ZeroShotConfig = ZeroShotConfig()
    risk: RiskConfig = RiskConfig()


class StageResources(Section):
    """What one stage is scheduled with."""

    cpu: float = Field(1.0, ge=0)
    gpu: float = Field(0.0, ge=0)
    memory_gib: float = Field(0.0, ge=0)


class ResourcesConfig(Section):
    """Resources by stage; part of no key."""

    dataset: StageResources = StageResources()
    images: StageResources = StageResources()
    reports: StageResources = StageResources()
    text: StageResources = StageResources()
    pretrain: StageResources = StageResources()
    finetune: StageResources = StageResources()
    features: StageResources = StageResources()
    text_features: StageResources = StageResources()
    evaluate: StageResources = StageResources()


class CellConfig(Section):
    """All settings of one cell."""

    data: DataConfig = DataConfig()
    images: ImagesConfig = ImagesConfig()
    reports: ReportsConfig = ReportsConfig()
    text: TextConfig = TextConfig()
    method: MethodConfig = MethodConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()
    search: SearchConfig = SearchConfig()
    eval: EvalConfig = EvalConfig()
    resources: ResourcesConfig = ResourcesConfig()
    seed: int = Field(0, ge=0)
