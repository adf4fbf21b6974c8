"""How figures look: sizes, the marks that tell lines apart, and matplotlib's settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from mvmlm.errors import DataError

COLUMN, PAGE = 3.4, 7.0
"""Width of one column of a paper, and of two [inches]."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7A4A12")
"""Okabe and Ito (2008), apart for colour-blind readers; a brown for their yellow, which white paper swallows."""
STROKES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.6)),
    (0, (1.2, 1.2)),
    (0, (6, 1.4, 1.2, 1.4)),
    (0, (2.6, 1.2)),
    (0, (8, 1.4, 1.2, 1.4, 1.2, 1.4)),
    (0, (10, 2.5)),
    (0, (4, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2, 1.2)),
)
MARKERS = "osD^vPX<"
MAX_LINES = len(COLOURS)
"""In one panel; more of them nobody can follow."""
MAX_PANELS = 6

GREY = "0.35"
DASHES = (0, (4, 3))
WARNING = "#9C2A00"
SMALL, SMALLER, TINY = 7.0, 6.5, 5.5
"""Font sizes below the base size of 8 [points]."""
MARKER_SIZE = 4.2
LOG_SPAN = 8
"""Values that span this factor or more stand on a log scale."""

SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same on every machine
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.2,
    "lines.markersize": MARKER_SIZE,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "hatch.linewidth": 0.4,
    "text.parse_math": False,  # a label may hold a dollar sign
    "pdf.fonttype": 42,  # whole outlines, as journals ask
    "figure.facecolor": "white",
    "savefig.bbox": None,
}


@dataclass(frozen=True)
class Mark:
    """What tells one line from the others: any two differ in more than their colour."""

    colour: str
    stroke: Any
    marker: str


@dataclass(frozen=True)
class Notes:
    """What stands under a figure.

    Attributes
    ----------
    caption : str
        Data, n, seeds, and what the intervals are, in a line or two.
    simulated : bool
        Stamps the figure.
    title : str
        For the file's own description; it is not drawn.
    """

    caption: str = ""
    simulated: bool = False
    title: str = ""


NO_NOTES = Notes()


def mark(index: int) -> Mark:
    """Of a line by its number. Beyond :data:`MAX_LINES` colours and markers come again, with other strokes."""
    place, again = index % MAX_LINES, index // MAX_LINES
    return Mark(COLOURS[place], STROKES[(place + again) % len(STROKES)], MARKERS[place])


def limited(labels: Sequence[str], most: int, what: str) -> tuple[list[str], str]:
    """The first ``most`` labels, and a sentence that says what is left out, or ''."""
    kept, rest = list(labels[:most]), list(labels[most:])
    if not rest:
        return kept, ""
    named = ", ".join(rest[:4]) + (f" and {len(rest) - 4} more" if len(rest) > 4 else "")
    return kept, f"Left out (room for {most} {what}): {named}."


def styled(draw: Callable) -> Callable:
    """Let a function draw with :data:`SETTINGS`, whatever the caller's are."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Any:
        import matplotlib as mpl

        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(SETTINGS)
            return draw(*args, **kwargs)

    return drawn


class NoFigureError(DataError):
    """A figure would be empty, or could not be read.

    Attributes
    ----------
    why : str
        Without what it is that is not drawn.
    """

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")
        self.why = why
