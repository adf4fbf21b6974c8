"""One sentence of a report, read from left to right: what is denied, and which finding a word describes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mvmlm.reports.faithfulness.words import (
    EXTRAS,
    FINDING,
    KINDS,
    LOCATIONS,
    NUMBERS,
    ROMAN,
    SAYS,
    UNMISTAKABLE,
    WORDS,
)
from mvmlm.reports.record import DESCRIBES, FINDINGS

if TYPE_CHECKING:
    from mvmlm.reports.faithfulness.extract import Claims

_EXTRA_KINDS = tuple(EXTRAS)
_MEANINGS = {kind: {word.replace("-", " "): value for word, value in words.items()} for kind, words in WORDS.items()}
_PLACED = ("mass", "calcification")  # findings that have a place and a depth
_CUES = ("assessment", "impression", "bi-rads", "birads", "conclusion")
_DENIAL = re.compile(r"\b(?:no|not|without|nor|negative for)\b[^,.;]*")
#: An assessment by its words, in a sentence that is one; the first that fits.
_ASSESSMENT = ((0, "incomplete"), (0, "additional imaging"), (4, "suspicious"), (2, "benign"), (1, "negative"))
#: An assessment by words that are one wherever they stand, by their beginning.
_JUDGED = {"highly": 5, "probably": 3, "suspicious": 4, "negative": 1, "benign": 2}


class Reader:
    """Reads the sentences of one text.

    A clause ends where a verb has said what becomes of its findings; until then «… are not seen» takes them back.
    A place or a descriptor goes to the next finding named, else to the last one, also of the sentence before.
    """

    def __init__(self, claims: Claims) -> None:
        self.claims = claims
        self.topic = ""  # the last finding that was said to be there

    def read(self, sentence: str) -> None:
        """Add what a sentence in small letters says to the claims."""
        self.denied = self.other = self.opened = self.refused = self.assessed = False
        self.finding = ""
        self.there: set[str] = set()  # findings of this sentence
        self.clause: list[tuple[str, Any]] = []
        self.pending: list[tuple[str, Any]] = []
        for match in SAYS.finditer(sentence):
            kind = KINDS[match.lastindex]
            _ACTS[kind](self, kind, match[0])
        topic = "" if self.refused else self.topic
        self._flush(self.finding or topic)
        self._commit()
        if not self.assessed and any(cue in sentence for cue in _CUES):
            said = _DENIAL.sub("", sentence)
            category = next((category for category, words in _ASSESSMENT if words in said), None)
            if category is not None:
                self.claims.add("birads", category)

    def _commit(self) -> None:
        for name, value in self.clause:
            self.claims.add(name, value)
        self.clause.clear()

    def _flush(self, finding: str) -> None:
        """Give the words that waited to the finding that has come."""
        for name, value in self.pending:
            self._attribute(name, value, finding)
        self.pending.clear()

    def _attribute(self, name: str, value: Any, finding: str) -> None:
        if name in ("location", "depth"):
            if finding in _PLACED:
                self.clause.append((f"{finding}_{name}", value))
        elif name == "size":
            if finding in ("mass", ""):
                self.clause.append(("mass_size", value))
            else:
                self.claims.extras.add(f"{finding} size")
        else:
            if value == "round":
                name = "calcification_morphology" if finding == "calcification" else "mass_shape"
            owner = DESCRIBES[name]
            if owner == finding or owner in self.there or (not finding and value in UNMISTAKABLE):
                self.clause.append((name, value))

    def _named(self, kind: str, said: str) -> None:
        name = kind.removeprefix("finding_")
        if self.denied:
            self.pending.clear()
            if not (self.other and True in self.claims.values.get(name, ())):
                self.clause.append((name, False))
            return
        self.clause.append((name, True))
        if name in FINDINGS:
            self._flush(name)
            self.finding = self.topic = name
            self.there.add(name)

    def _descriptor(self, kind: str, said: str) -> None:
        if self.denied:
            return
        value = _MEANINGS[kind][said.replace("-", " ")]
        self._wait(kind, value, ready=self.finding == DESCRIBES[kind] and value != "round")
        if said == "dense mass":
            self._named("finding_mass", said)

    def _wait(self, name: str, value: Any, *, ready: bool) -> None:
        if ready:
            self._attribute(name, value, self.finding)
        elif not self.denied:
            self.pending.append((name, value))

    def _size(self, kind: str, said: str) -> None:
        if not self.denied:
            longest = max(float(number) for number in re.findall(r"\d+(?:\.\d+)?", said))
            in_cm = "cm" in said or "centi" in said
            if in_cm or "m" in said:
                self._wait("size", round(longest * (10 if in_cm else 1)), ready=bool(self.finding))

    def _quadrant(self, kind: str, said: str) -> None:
        words = [LOCATIONS.get(word, word) for word in re.split(r"[- ]", said)[:2]]
        self._place("location", " ".join(sorted(words, key=lambda word: word in ("outer", "inner"))))

    def _half(self, kind: str, said: str) -> None:
        self._place("location", LOCATIONS.get(said, said))

    def _depth(self, kind: str, said: str) -> None:
        word = re.split(r"[- ]", said)[0]
        self._place("depth", "middle" if word == "mid" else word)

    def _place(self, name: str, value: str) -> None:
        if not self.denied:
            self._wait(name, value, ready=self.finding in _PLACED)

    def _density(self, kind: str, said: str) -> None:
        self.claims.add("density", _MEANINGS["density"][said.replace("-", " ")])

    def _density_letter(self, kind: str, said: str) -> None:
        self.claims.add("density", said[-1].upper())

    def _birads(self, kind: str, said: str) -> None:
        self.assessed = True
        category = re.search(r"([0-6]|[iv]+)[abc]?$", said)[1]
        self.claims.add("birads", ROMAN.get(category) or int(category))

    def _judged(self, kind: str, said: str) -> None:
        if not self.denied:
            self.assessed = True
            self.claims.add("birads", _JUDGED[said.partition(" ")[0]])

    def _prior(self, kind: str, said: str) -> None:
        self.claims.add("prior", kind == "prior")

    def _age(self, kind: str, said: str) -> None:
        self.claims.add("age", int(re.search(r"\d+", said)[0]))

    def _n_views(self, kind: str, said: str) -> None:
        word = re.search(rf"\d+|{'|'.join(NUMBERS)}", said)[0]
        self.claims.add("n_views", NUMBERS.get(word) or int(word))

    def _laterality(self, kind: str, said: str) -> None:
        self.claims.add("laterality", said[0].upper())

    def _extra(self, kind: str, said: str) -> None:
        self.claims.extras.add(_EXTRA_KINDS[int(kind[5:])])
        if "skin and nipple" in said:
            self.claims.extras.add("nipple")

    def _neg(self, kind: str, said: str) -> None:
        self.denied = self.refused = True
        self.other = said.endswith(("other", "additional", "further", "new"))

    def _take_back(self, *, instead: bool) -> bool:
        """Withdraw what this clause has named, with its description; whether there was anything."""
        names = [name for name, value in self.clause if name in FINDING and value]
        names = names[-1:] if self.opened else names
        self.clause = [pair for pair in self.clause if pair[0] not in names and DESCRIBES.get(pair[0]) not in names]
        if instead:
            self.clause += [(name, False) for name in names]
        self._commit()
        self.there.difference_update(names)
        self.topic, self.finding = ("", "") if names else (self.topic, self.finding)
        self.refused = True
        return bool(names)

    def _negpost(self, kind: str, said: str) -> None:
        """«… is not seen»."""
        denied_before = self.denied
        self.denied = not self._take_back(instead=True) and not denied_before

    def _none(self, kind: str, said: str) -> None:
        """«Masses: none», «Calcifications: no suspicious ones», but not «Impression: negative»."""
        self.denied = self._take_back(instead=True) or not said.endswith("negative")

    def _unsaid(self, kind: str, said: str) -> None:
        """«Mass: not specified»."""
        self._take_back(instead=False)

    def _but(self, kind: str, said: str) -> None:
        self._commit()
        self.denied = self.other = self.opened = False
        self.finding = ""

    def _opens(self, kind: str, said: str) -> None:
        """«there is …», «shows …»: what follows is there, whatever is denied of the last of it."""
        if said.startswith("there"):
            self._commit()
            if self.denied:
                self.denied = self.other = False
                self.finding = ""
        self.opened = True

    def _seen(self, kind: str, said: str) -> None:
        """«… is seen»: ends the clause, and with it a denial."""
        if self.clause:
            self._commit()
            self.denied = self.other = self.opened = False

    def _nothing(self, kind: str, said: str) -> None:
        """Words that would be read as others: «not only», «not spiculated», «cannot be excluded»."""


_Act = Callable[[Reader, str, str], None]
_ACTS: dict[str, _Act] = {
    **{f"extra{i}": Reader._extra for i in range(len(EXTRAS))},
    **{f"finding_{name}": Reader._named for name in FINDING},
    **{name: Reader._descriptor for name in WORDS if name in DESCRIBES},
    "no_prior": Reader._prior,
    "but_one": Reader._nothing,
    "open": Reader._nothing,
    **{
        kind: getattr(Reader, f"_{kind}")
        for kind in (
            "density", "density_letter", "birads", "judged", "prior", "age", "n_views", "size", "laterality",
            "quadrant", "half", "depth", "unsaid", "none", "negpost", "neg", "but", "opens", "seen",
        )
    },
}  # fmt: skip
