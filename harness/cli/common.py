"""What several subcommands share: the arguments that name an ablation, and its plan."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.expand import Expansion
    from harness.plan import Plan


def add_ablation_arguments(parser: argparse.ArgumentParser) -> None:
    """``ABLATION --profile --set --seeds``."""
    parser.add_argument(
        "ablation", metavar="ABLATION", help="a YAML file, or the name of a shipped one: token_count"
    )
    parser.add_argument(
        "--profile",
        default="demo",
        help="the scale: demo (CPU, simulated data, minutes; the default) or paper",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one setting by its dotted key, e.g. --set train.epochs=3; on an axis it pins it (repeatable)",
    )
    parser.add_argument(
        "--seeds", metavar="N,N…", help="override the seeds, e.g. --seeds 0,1,2", type=_seeds, default=None
    )
    parser.add_argument(
        "--max-bad", type=share, metavar="SHARE", help="share of unusable images that stops the run, as 1%% or 0.01"
    )


def share(text: str) -> float:
    """``1%`` or ``0.01``."""
    try:
        value = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share such as 1% or 0.01")
    return value


def expand_and_plan(args: argparse.Namespace) -> tuple[Expansion, Plan]:
    """Read the ablation that the arguments name, and plan it.

    Raises
    ------
    MvmlmError
        When the file or an override cannot be used.
    """
    from harness.expand import expand_file
    from harness.plan import build_plan

    overrides = args.set if args.max_bad is None else [*args.set, f"data.max_bad_share={args.max_bad}"]
    expansion = expand_file(args.ablation, profile=args.profile, overrides=overrides, seeds=args.seeds)
    return expansion, build_plan(expansion.cells)


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.replace(" ", "").split(",") if part]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 0,1,2") from None
