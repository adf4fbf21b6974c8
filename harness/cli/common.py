"""What several subcommands share: the arguments that name an ablation or its runs, and what they name."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from harness.expand import Expansion
    from harness.home import Home
    from harness.plan import Plan
    from harness.tracking import Tracker


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


def run_command(args: argparse.Namespace) -> str:
    """The command that runs what these arguments name, as it can be typed again."""
    words = ["python", "-m", "harness", "run", args.ablation, "--profile", args.profile]
    words += [word for said in args.set for word in ("--set", said)]
    words += ["--seeds", ",".join(map(str, args.seeds))] if args.seeds else []
    words += [] if args.max_bad is None else ["--max-bad", f"{args.max_bad:g}"]
    return shlex.join(words)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """``ABLATION… --profile --run --compare --out``: which runs to show, beside what, and where to write."""
    parser.add_argument(
        "ablations", nargs="*", metavar="ABLATION", help="names of ablations (default: all that have run)"
    )
    parser.add_argument("--profile", help="take the newest run of this profile: demo or paper")
    parser.add_argument("--run", metavar="ID", help="take this MLflow parent run instead of the newest")
    parser.add_argument(
        "--compare", metavar="DIR", help="show published numbers below ours: `published`, or a folder of such files"
    )
    parser.add_argument("--out", metavar="DIR", default="results", help="where to write (default: results)")


def published_folder(args: argparse.Namespace) -> Path | None:
    """The folder of published numbers that was asked for; ``published`` is the one that comes with the harness."""
    from pathlib import Path

    shipped = Path(__file__).resolve().parents[2] / "results" / "published"
    return shipped if args.compare == "published" else args.compare and Path(args.compare)


def chosen_runs(args: argparse.Namespace, home: Home, tracker: Tracker) -> list[str]:
    """Ids of the parent runs that the arguments name.

    Raises
    ------
    ConfigError
        When there is none.
    """
    from pathlib import Path

    from mvmlm.errors import ConfigError

    if args.run:
        return [args.run]
    known = tracker.experiments()
    asked = [Path(a).stem for a in args.ablations]
    found = {name: tracker.invocations(name, args.profile) for name in asked or known}
    scale = f" with profile {args.profile}" if args.profile else ""
    if asked and (lost := [name for name, runs in found.items() if not runs]):
        ours = ", ".join(name for name in known if tracker.invocations(name)) or "none"
        raise ConfigError(
            f"no run of {lost[0]!r}{scale} in {home.tracking_uri} (it has: {ours}); "
            f"run it first: python -m harness run {lost[0]}"
        )
    chosen = [runs[0].info.run_id for runs in found.values() if runs]
    if not chosen:
        raise ConfigError(
            f"no runs{scale} in {home.tracking_uri} yet: python -m harness run ablations/token_count.yaml"
        )
    return chosen


def on_each(run_ids: Sequence[str], act: Callable[[str], None]) -> int:
    """Act on every run; one of several that cannot be used costs the others nothing. Returns the exit code."""
    from mvmlm.errors import MvmlmError

    code = 0
    for run_id in run_ids:
        try:
            act(run_id)
        except MvmlmError as error:
            if len(run_ids) == 1:
                raise
            print(f"error: {error}", file=sys.stderr)
            code = 2
    return code


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
