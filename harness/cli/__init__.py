"""The command line: one file a subcommand; nothing heavy is imported until a subcommand runs."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

COMMANDS = ("run", "plan", "table", "report", "ui", "ls", "data", "reports", "profile", "doctor", "clean")

DESCRIPTION = """Ablations of MV-MLM (multi-view mammography and language): plan them, run them, compare them.

  python -m harness plan ablations/token_count.yaml     what would be done, and how long it takes
  python -m harness run  ablations/token_count.yaml     do it; a second call goes on where it stopped
  python -m harness table token_count                   the comparison table, in five formats
  python -m harness report token_count                  one page: answer, table, figures, cost, data, settings
  python -m harness ui                                  every run in the MLflow UI
"""

EPILOG = """exit codes: 0 all is well; 1 some cells have no result; 2 the input cannot be used;
130 or 143 stopped by Ctrl-C or SIGTERM (run again to go on)"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m harness",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"harness.cli.{name}")
        sub = commands.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            epilog=getattr(module, "EXAMPLES", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument(
            "--home",
            metavar="DIR",
            help="folder of the store and the MLflow file (default: $MVMLM_HOME, else .harness)",
        )
        module.add_arguments(sub)
        sub.set_defaults(act=module.run)
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one subcommand; returns the exit code."""
    args = parser().parse_args(argv)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from harness.errors import SpecError
    from mvmlm.errors import MvmlmError

    try:
        return args.act(args)
    except SpecError as error:
        print(error, file=sys.stderr)
        return 2
    except MvmlmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
