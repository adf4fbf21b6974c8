"""Random numbers and identifiers that follow from the seed alone."""

from __future__ import annotations

import hashlib

import numpy as np

from mvmlm.data.phantom.options import SimulationOptions

#: One stream of random numbers a purpose, so that more draws in one leave the others as they are.
WOMAN, BREAST, VIEW, GLAND, SPLIT, MACHINE, OUTCOME, HISTORY, TABLE = range(9)

#: A prime near 2³¹; a factor without a divisor in common with the prime less 1, which scatters numbers below it.
_PRIME, _FACTOR = 2_147_483_647, 1_566_083_941
_KINDS_APART, _SEEDS_APART = 715_827_883, 7_919
#: Kinds of things that are numbered.
PATIENT, EXAM, IMAGE = range(3)


def stream(options: SimulationOptions, *numbers: int) -> np.random.Generator:
    """Random numbers of their own for each ``numbers``, of which the first is one of this module's purposes."""
    return np.random.default_rng((options.seed, *options.people, *numbers))


def identifier(options: SimulationOptions, *what: object) -> str:
    """32 hexadecimal digits."""
    stem = ("phantom", *options.people, options.seed, *what)
    return hashlib.sha256("/".join(map(str, stem)).encode()).hexdigest()[:32]


def scattered(options: SimulationOptions, kind: int, number: int) -> int:
    """An identifier from 1 to 2³¹ − 2: of one kind of thing, no two numbers below 2³¹ − 2 get the same."""
    return 1 + ((1 + number) * _FACTOR + kind * _KINDS_APART + options.seed * _SEEDS_APART) % (_PRIME - 1)
