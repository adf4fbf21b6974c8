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


def expand_and_plan(args: argparse.Namespace) -> tuple[Expansion, Plan]:
    """Read the ablation that the arguments name, and plan it.

    Raises
    ------
    MvmlmError
        When the file or an override cannot be used.
    """
    from harness.expand import expand_file
    from harness.plan import build_plan

    expansion = expand_file(args.ablation, profile=args.profile, overrides=args.set, seeds=args.seeds)
    return expansion, build_plan(expansion.cells)


def _seeds(text: str) -> list[int]:
    try:
        return [int(part) for part in text.replace(" ", "").split(",") if part]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of whole numbers such as 0,1,2") from None
