"""What a text says, read back by rules into the fields of a record."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from mvmlm.reports.faithfulness.sentence import Reader
from mvmlm.reports.record import DESCRIBES, FINDINGS, RECORD_FIELDS, TERMS

LONGEST = 20_000  # characters that are read: an endless generation says nothing new
_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
#: A line that was wrapped: it ends with a comma or a word that wants another, or it is long; the next begins small.
_WRAPPED = re.compile(r"(,|\b(?:and|or|no|the|of|an?|in|with|without|is|are|at)|[^\n.:;!?]{50}) ?\n(?=[a-z])")
_SPACES = re.compile(r" {2,}")
_LINE = re.compile(r"([a-z][a-z ]+): ([\w ,-]+?)\.?")
_KEYS = {name.replace("_", " "): name for name in RECORD_FIELDS}
#: Names, numbers and dates, by kind. Begins with a plain set of signs, so that few places of a text are tried.
PERSONAL = re.compile(
    r"[A-Zp\d](?:"
    r"(?P<name>(?<=\bM)(?:rs?|s|iss)\.? [A-Z]|(?<=\bD)r\.? [A-Z]"
    r"|(?:(?<=\b[Pp])atient(?: [Nn]ame)?|(?<=\bN)ame): (?!Female|Not|Unknown|Age)[A-Z][a-z]"
    r"|(?<=\b[Pp])atient, [A-Z][a-z]+ [A-Z])"
    r"|(?P<identity>(?<=\bM)RN\b|(?<=\b[Pp])atient ID\b|(?<=\bD)OB\b|(?<=\bA)ccession\b"
    r"|[a-z]+ (?:Hospital|Clinic|Medical Cent))"
    r"|(?P<date>(?:(?<=\b\d)\d?[/.-]\d{1,2}[/.-]\d{2,4}|(?<=\b1)9\d\d|(?<=\b2)0\d\d)\b"
    r"|(?<=[JFMASOND])(?:an|eb|ar|pr|ay|u[nlg]|ep|ct|ov|ec)[a-z]{0,6}\.? \d{1,2}\b|(?<=\b\d)\d? (?:"
    r"Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)))"
)
_HYPHENS = dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")
_SIGNS = {**_HYPHENS, 0x2018: "'", 0x2019: "'", 0xD7: "x", 0xAE: None, 0x2122: None}
_PLAIN = {code: " " for code in (*range(10), *range(11, 32), 127, *map(ord, "_*`#|"))} | {13: "\n"}


@dataclass(frozen=True)
class Claims:
    """What a text says.

    Attributes
    ----------
    values : dict
        Field of a record to the set of values that the text gives it; of a finding, True (there) or False (denied).
    extras : set of str
        Kinds of claims that no record can hold, stated or denied: ``biopsy``, ``history``, ``name``, …
    """

    values: dict[str, set[Any]] = field(default_factory=dict)
    extras: set[str] = field(default_factory=set)

    def add(self, name: str, value: Any) -> None:
        """One more claim."""
        self.values.setdefault(name, set()).add(value)


def extract(text: str) -> Claims:
    """Read a report.

    Parameters
    ----------
    text : str
        Prose, or ``key: value`` lines; anything else yields no claims. The first `LONGEST` characters are read.
    """
    claims = Claims()
    text = _plain(text[:LONGEST])
    for match in PERSONAL.finditer(text):
        claims.extras.add(match.lastgroup)
    if "\n" in text:
        text = _WRAPPED.sub(r"\1 ", text)
    reader = Reader(claims)
    for sentence in _SENTENCE.split(text.lower()):
        if sentence and not (": " in sentence and _line(sentence, reader)):
            reader.read(sentence)
    return claims


def _plain(text: str) -> str:
    """The text without markdown, control characters, and signs that look like others."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)
        text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")
    return _SPACES.sub(" ", text.translate(_PLAIN)).replace(" - ", ": ")


def _line(sentence: str, reader: Reader) -> bool:
    """A ``key: value`` line whose key is a field and whose value is one of its values; prose is left to the reader."""
    match = _LINE.fullmatch(sentence.strip(" -"))
    name = _KEYS.get(match[1]) if match else None
    value = _value(name, match[2].strip()) if name else None
    if value is None:
        return False
    reader.claims.add(name, value)
    if name in DESCRIBES:
        reader.claims.add(DESCRIBES[name], True)
    if value is True and name in FINDINGS:
        reader.topic = name
    return True


def _value(name: str, said: str) -> Any:
    if name in (*FINDINGS, "prior", "implant"):
        return {"present": True, "yes": True, "absent": False, "no": False}.get(said)
    if name in ("age", "n_views", "birads", "mass_size"):
        digits = re.fullmatch(r"(\d+)(?: mm| years)?", said)
        return int(digits[1]) if digits else None
    if name == "laterality":
        return {"left": "L", "right": "R"}.get(said)
    said = said.upper() if name == "density" else said
    return said if said in TERMS[name] else None
