"""What a text says, read back by rules into the fields of a record."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from mvmlm.reports.faithfulness.words import BUT, EXTRAS, LOCATIONS, NUMBERS, SAYS, WORDS
from mvmlm.reports.record import DESCRIBES, FINDINGS, RECORD_FIELDS, TERMS

LONGEST = 20_000  # characters that are read: an endless generation says nothing new
_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
_LINE = re.compile(r"([a-z][a-z ]+): ([\w ,-]+?)\.?")
_KEYS = {name.replace("_", " "): name for name in RECORD_FIELDS}
_EXTRA_KINDS = tuple(EXTRAS)
#: An assessment by its words, in a sentence that is one; the first that fits.
_ASSESSMENT = (
    (5, "highly suggestive"),
    (3, "probably benign"),
    (0, "incomplete"),
    (0, "additional imaging"),
    (4, "suspicious"),
    (2, "benign"),
    (1, "negative"),
)
_CUES = ("assessment", "impression", "bi-rads", "birads", "conclusion")
_NAME = re.compile(r"\b(?:Mr|Mrs|Ms|Dr)\.? [A-Z]|\b[Pp]atient(?: name)?: [A-Z][a-z]+")
_DATE = re.compile(r"\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b|\b(?:19|20)\d\d-\d\d-\d\d\b")
_PLACED = ("mass", "calcification")  # findings that have a place and a depth


@dataclass
class Claims:
    """What a text says.

    Attributes
    ----------
    values : dict
        Field of a record to the set of values that the text gives it; of a finding, True (there) or False (denied).
    extras : set of str
        Kinds of claims that no record can hold: ``biopsy``, ``history``, ``name``, …
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
        Prose, or ``key: value`` lines; anything else yields no claims.
    """
    claims = Claims()
    text = unicodedata.normalize("NFKC", text[:LONGEST]).replace("–", "-").replace("’", "'")
    if _NAME.search(text):
        claims.extras.add("name")
    if _DATE.search(text):
        claims.extras.add("date")
    for sentence in _SENTENCE.split(text.lower()):
        if sentence and not _line(sentence, claims):
            _Reader(sentence, claims).read()
    return claims


def _line(sentence: str, claims: Claims) -> bool:
    """A ``key: value`` line whose key is a field."""
    match = _LINE.fullmatch(sentence.strip())
    name = _KEYS.get(match[1]) if match else None
    if name is None:
        return False
    said = match[2].strip()
    if name in (*FINDINGS, "prior", "implant"):
        value: Any = {"present": True, "yes": True, "absent": False, "no": False}.get(said)
    elif name in ("age", "n_views", "birads", "mass_size"):
        digits = re.match(r"\d+", said)
        value = int(digits[0]) if digits else None
    elif name == "laterality":
        value = said[:1].upper()
    elif name == "density":
        value = said.upper()
    else:
        value = said if said in TERMS[name] else None
    if value is None:
        return False
    claims.add(name, value)
    if name in DESCRIBES:
        claims.add(DESCRIBES[name], True)
    return True


class _Reader:
    """Reads one sentence from left to right: what is denied, and which finding a word describes."""

    def __init__(self, sentence: str, claims: Claims) -> None:
        self.sentence, self.claims = sentence, claims
        self.denied = False
        self.finding = ""  # the last one named in this clause
        self.named: list[str] = []  # of this clause
        self.pending: list[tuple[str, Any]] = []  # words that wait for the finding that they describe
        self.numbered = False

    def read(self) -> None:
        for match in SAYS.finditer(self.sentence):
            kind = match.lastgroup
            act = getattr(self, f"_{kind}", None)
            if act is not None:
                act(match[0])
            elif kind.startswith("finding_"):
                self._named(kind[8:])
            elif kind.startswith("extra"):
                if not self.denied:
                    self.claims.extras.add(_EXTRA_KINDS[int(kind[5:])])
            else:
                self._descriptor(kind, match[0])
        self._flush(self.finding)
        if not self.numbered and any(cue in self.sentence for cue in _CUES):
            said = next((category for category, words in _ASSESSMENT if words in self.sentence), None)
            if said is not None:
                self.claims.add("birads", said)

    def _named(self, name: str) -> None:
        self.claims.add(name, not self.denied)
        self.named.append(name)
        if name in FINDINGS:
            if not self.denied:
                self._flush(name)
            self.pending.clear()
            self.finding = name

    def _flush(self, finding: str) -> None:
        """Give the words that waited to the finding that has come; without one, to that which they can only mean."""
        for name, value in self.pending:
            self._claim(name, value, finding)
        self.pending.clear()

    def _claim(self, name: str, value: Any, finding: str) -> None:
        if name in ("location", "depth"):
            if finding in _PLACED:
                self.claims.add(f"{finding}_{name}", value)
            return
        if value == "round":
            name = "calcification_morphology" if finding == "calcification" else "mass_shape"
        self.claims.add(name, value)

    def _descriptor(self, kind: str, said: str) -> None:
        """A word of the lexicon; «round» is said of masses and of calcifications, so that it waits."""
        words = WORDS[kind]
        value = words.get(said) or words.get(said.replace(" ", "-")) or words.get(said.replace("-", " "))
        if self.denied or value is None:
            return
        if self.finding == DESCRIBES[kind] and value != "round":
            self.claims.add(kind, value)
        else:
            self.pending.append((kind, value))
        if said == "dense mass":
            self._named("mass")

    def _density(self, said: str) -> None:
        words = WORDS["density"]
        self.claims.add("density", words[said])

    def _density_letter(self, said: str) -> None:
        self.claims.add("density", said[-1].upper())

    def _birads(self, said: str) -> None:
        self.numbered = True
        self.claims.add("birads", int(re.search(r"[0-6]", said.rpartition("rads")[2])[0]))

    def _prior(self, said: str) -> None:
        self.claims.add("prior", not (said.startswith(("no ", "without ")) or said.endswith("none") or self.denied))

    def _age(self, said: str) -> None:
        self.claims.add("age", int(re.search(r"\d+", said)[0]))

    def _n_views(self, said: str) -> None:
        word = said.partition(" ")[0]
        self.claims.add("n_views", NUMBERS.get(word) or int(word))

    def _size(self, said: str) -> None:
        number = float(re.match(r"[\d.]+", said)[0])
        value = round(number * (10 if "c" in said.lstrip("0123456789. ")[:1] else 1))
        if not self.denied:
            self.claims.add("mass_size", value)

    def _laterality(self, said: str) -> None:
        self.claims.add("laterality", said[0].upper())

    def _quadrant(self, said: str) -> None:
        words = re.split(r"[- ]", said)
        self._place(f"{LOCATIONS.get(words[0], words[0])} {LOCATIONS.get(words[1], words[1])}")

    def _half(self, said: str) -> None:
        word = said.partition(" ")[0]
        self._place(LOCATIONS.get(word, word))

    def _place(self, value: str) -> None:
        if self.denied:
            return
        if self.finding in _PLACED:
            self.claims.add(f"{self.finding}_location", value)
        else:
            self.pending.append(("location", value))

    def _depth(self, said: str) -> None:
        if self.denied:
            return
        value = said.partition(" ")[0]
        if self.finding in _PLACED:
            self.claims.add(f"{self.finding}_depth", value)
        else:
            self.pending.append(("depth", value))

    def _neg(self, said: str) -> None:
        self.denied = True

    def _negpost(self, said: str) -> None:
        """«… is not seen»: takes back what this clause has named."""
        for name in self.named:
            values = self.claims.values.get(name, set())
            values.discard(True)
            values.add(False)
        self.named.clear()
        if not self.sentence.startswith(said):
            self.denied = False

    def _but(self, said: str) -> None:
        if said in BUT or (self.denied and said.startswith("there")):
            self.denied = False
            self.finding = ""
            self.named.clear()
