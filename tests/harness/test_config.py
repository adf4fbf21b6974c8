"""The settings of a cell: strict, frozen, and named as they have always been."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.config import CellConfig
from harness.names import name_problems
from harness.spec import all_paths

PATHS = """
data.name data.root data.options data.val_fraction data.test_fraction data.split_seed data.max_bad_share
data.follow_links images.height images.width images.intensity images.crop images.reduced reports.source reports.fields
reports.samples reports.unfaithful reports.attempts reports.seed reports.options reports.llm.backend reports.llm.model
reports.llm.prompt reports.llm.temperature reports.llm.top_p reports.llm.max_tokens reports.llm.precision
reports.llm.batch_size reports.llm.device reports.llm.url reports.llm.key_variable reports.llm.concurrency
reports.llm.timeout_s reports.llm.retries reports.llm.budget_tokens text.encoder text.max_length text.trainable
text.lr_scale method.name loss.kind loss.bias loss.ii_weight loss.tt_weight loss.ii_negatives loss.same_report
loss.same_patient loss.temperature loss.learn_temperature train.epochs train.min_steps train.batch_size train.lr
train.weight_decay train.warmup_epochs train.precision train.grad_clip train.augment.flip train.augment.vertical_flip
train.augment.affine train.augment.rotate train.augment.shift train.augment.scale train.augment.shear
train.augment.crop train.augment.intensity train.augment.gamma train.augment.erase train.micro_batch train.accumulate
train.layer_decay train.ema train.compile train.processes train.nodes train.workers train.checkpoint_minutes
search.trials search.space search.sampler search.pruner search.startup search.every search.val_fraction search.tasks
search.seed eval.task eval.protocol eval.fraction eval.representation eval.folds eval.strengths eval.draws
eval.finetune.lrs eval.finetune.epochs eval.finetune.min_steps eval.finetune.batch_size eval.finetune.patience
eval.finetune.weight_decay eval.finetune.warmup_epochs eval.finetune.precision eval.finetune.val_share
eval.finetune.augment.flip eval.finetune.augment.vertical_flip eval.finetune.augment.affine
eval.finetune.augment.rotate eval.finetune.augment.shift eval.finetune.augment.scale eval.finetune.augment.shear
eval.finetune.augment.crop eval.finetune.augment.intensity eval.finetune.augment.gamma eval.finetune.augment.erase
eval.zero_shot.prompts eval.risk.embeddings eval.risk.model eval.risk.fuse eval.risk.exclude_months eval.risk.years
eval.risk.mask
resources.dataset.cpu resources.dataset.gpu resources.dataset.memory_gib resources.images.cpu resources.images.gpu
resources.images.memory_gib resources.reports.cpu resources.reports.gpu resources.reports.memory_gib
resources.text.cpu resources.text.gpu resources.text.memory_gib resources.pretrain.cpu resources.pretrain.gpu
resources.pretrain.memory_gib resources.finetune.cpu resources.finetune.gpu resources.finetune.memory_gib
resources.features.cpu resources.features.gpu resources.features.memory_gib resources.text_features.cpu
resources.text_features.gpu resources.text_features.memory_gib resources.evaluate.cpu
resources.evaluate.gpu resources.evaluate.memory_gib seed
"""


def test_settings_are_named_as_they_have_always_been():
    """People's files and past runs hold these names: renaming one breaks them, adding one is a decision."""
    assert all_paths() == PATHS.split()


def test_every_default_is_valid_and_known():
    config = CellConfig()
    assert CellConfig.model_validate(config.model_dump()) == config
    assert name_problems(config) == []


def test_augmentation_has_the_librarys_defaults():
    from mvmlm.data.augment import Augmentation
    from mvmlm.training import TrainConfig

    assert Augmentation(**CellConfig().train.augment.model_dump()) == TrainConfig().augment


@pytest.mark.parametrize("section", ["", "data", "method", "train", "eval", "resources"])
def test_settings_are_frozen(section):
    held = getattr(CellConfig(), section) if section else CellConfig()
    name = next(iter(type(held).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(held, name, getattr(held, name))


@pytest.mark.parametrize(
    "wrong",
    [
        {"train": {"epochs": "3"}},
        {"train": {"epochs": 3.0}},
        {"train": {"epochs": True}},
        {"train": {"lr": "0.1"}},
        {"train": {"grad_clip": float("inf")}},
        {"eval": {"strengths": [float("nan")]}},
        {"images": {"crop": 1}},
        {"images": {"crop": "yes"}},
        {"data": {"name": 3}},
        {"seed": 1.0},
        {"sed": 1},
        {"train": {"epoch": 3}},
    ],
)
def test_nothing_is_converted_in_silence_and_nothing_unknown_is_taken(wrong):
    with pytest.raises(ValidationError):
        CellConfig.model_validate(wrong)


def test_a_whole_number_serves_where_a_number_is_wanted():
    assert CellConfig.model_validate({"loss": {"ii_weight": 1}}).loss.ii_weight == 1.0
