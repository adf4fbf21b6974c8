"""Look at a data set, and bring its images into the store once and for all.

  python -m harness data check   vindr --root /data/vindr-mammo     what is in the folder, against the publication
  python -m harness data prepare vindr --root /data/vindr-mammo     decode every image once; a run then finds it done
  python -m harness data verify                                     the checksums of every prepared store
"""

from __future__ import annotations

import argparse
from typing import Any

from harness.cli.common import share

HELP = "check a data set's folder, and prepare its images"
EXAMPLES = """examples:
  python -m harness data check table --root /data/mine --set data.options.csv=labels.csv
  python -m harness data prepare rsna --root /data/rsna --workers 16 --max-bad 1%
  python -m harness data prepare rsna --root /data/rsna --set images.reduced=true    JPEG 2000 at half resolution
A killed `prepare` goes on where it was when it is called again. Names: python -m harness ls datasets"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``data``."""
    from harness.cli import data_check, data_prepare, data_verify

    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, module in (("check", data_check), ("prepare", data_prepare), ("verify", data_verify)):
        sub = actions.add_parser(
            name,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name != "verify":
            _add_data_arguments(sub)
        module.add_arguments(sub)
        sub.add_argument("--home", metavar="DIR", default=argparse.SUPPRESS, help="folder of the store")
        sub.set_defaults(do=module.run)


def run(args: argparse.Namespace) -> int:
    """Run the action."""
    return args.do(args)


def _add_data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="a data set: vindr, rsna, …")
    parser.add_argument("--root", metavar="DIR", help="its folder, as it was published")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting under data or images, e.g. --set data.options.csv=labels.csv (repeatable)",
    )
    parser.add_argument(
        "--profile", default="paper", help="the scale whose image size and settings hold: paper (default) or demo"
    )
    parser.add_argument("--workers", type=int, metavar="N", help="processes (default: one a core)")
    parser.add_argument(
        "--max-bad",
        type=share,
        metavar="SHARE",
        help="share of unusable images that is too much, as 1%% or 0.01 (default: the profile's, 2%%)",
    )
    parser.add_argument(
        "--follow-links", action="store_true", help="follow symbolic links that lead out of the folder"
    )


def data_config(args: argparse.Namespace) -> Any:
    """The settings that the arguments make, on top of the profile's.

    Raises
    ------
    SpecError
        When one cannot be used.
    """
    from pathlib import Path

    from harness.cli.settings import cell_settings
    from mvmlm.data.readers import DATASETS

    given = {
        "data.name": args.name,
        "data.root": args.root and str(Path(args.root)),
        "data.max_bad_share": args.max_bad,
        "data.follow_links": args.follow_links or None,
    }
    model = cell_settings(
        args.profile, args.set, given, sections=("data", "images", "resources"), asked=("data", "images")
    )
    DATASETS.get(model.data.name)
    return model
