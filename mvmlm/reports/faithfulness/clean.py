"""What a language model writes round a report, and beyond its record, taken away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from mvmlm.reports.record import Record

LONGEST = 20_000  # characters; what is longer is an endless generation
_DEBRIS = re.compile(r"<\|[^|>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>|^(?:assistant|user|system)\s*$", re.MULTILINE)
_FENCE = re.compile(r"^\s*```.*$", re.MULTILINE)
_HEADING = re.compile(r"^\s*#{1,6}\s.*$", re.MULTILINE)
_RULE = re.compile(r"^\s*[-*_=|: ]{3,}\s*$", re.MULTILINE)
_BULLET = re.compile(r"^\s*(?:[-*•+]|\d{1,2}[.)])\s+", re.MULTILINE)
_EMPHASIS = re.compile(r"(\*\*|__|\*|`)(?=\S)(.+?)(?<=\S)\1")
_LABEL = re.compile(r"^\s*(?:mammography )?(?:report|findings?)\s*:\s*", re.IGNORECASE | re.MULTILINE)
_PREAMBLE = re.compile(
    r"^\s*(?:(?:sure|certainly|of course|absolutely|okay|ok)\b[^\n.:!]{0,80}[.:!]\s*)?"
    r"(?:(?:here|below)(?: is|'s| are)\b[^\n:.]{0,120}[:.]\s*)?",
    re.IGNORECASE,
)
_EPILOGUE = re.compile(
    r"(?:^|(?<=[.!?])\s+|\n)"
    r"(?:please let me know|let me know|i hope|feel free|note(?=:)|disclaimer|as an ai|i am an ai)\b.*\Z",
    re.IGNORECASE | re.DOTALL,
)
_SIGNATURE = re.compile(
    r"^\s*(?:(?:electronically )?(?:signed|dictated|reported|interpreted)\b.*|(?:sincerely|regards|best regards)\b.*|"
    r"(?:radiologist|physician|signature)\s*:.*|dr\.?\s+[A-Z].*|.*,\s*m\.?d\.?\s*)$",
    re.IGNORECASE | re.MULTILINE,
)
_IDENTITY = re.compile(
    r"^\s*(?:patient(?:'s)?(?: name| id)?|name|mrn|dob|date(?: of [a-z]+)?|hospital|clinic|institution|"
    r"accession(?: number)?|referring [a-z]+|exam date)\s*:.*$",
    re.IGNORECASE | re.MULTILINE,
)
_PLACEHOLDER = re.compile(r"\[[^\]\n]{1,60}\]")
_DATE = re.compile(
    r"\b\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b|\b(?:19|20)\d\d-\d\d-\d\d\b|"
    r"\b(?:january|february|march|april|may|june|july|august|september|october|november|december) \d{1,2},? \d{4}\b",
    re.IGNORECASE,
)
_TITLE = re.compile(r"\b(Mr|Mrs|Ms|Dr)\. (?=[A-Z])")
_PERSON = re.compile(r"\b(?:Mr|Mrs|Ms|Miss|Dr)\.? [A-Z][a-z]+")
_ASSESSES = re.compile(r"\bbi-?rads\b|\bassessment\b|\bimpression\b|\bsuggestive of malignancy\b", re.IGNORECASE)
_ADVISES = re.compile(
    r"\b(?:recommend\w*|advis\w+|suggest(?:s|ed)? (?:further|follow)|follow-?up|biopsy|tissue diagnosis|surg\w+|"
    r"chemotherapy|prognosis|treatment|consult\w*|screening interval|return in)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_SIGNS = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", " ": " ", "‑": "-"})


@dataclass(frozen=True)
class Cleaned:
    """A text and the kinds of what was taken from it."""

    text: str
    removed: tuple[str, ...] = ()


def clean(text: str, record: Record) -> Cleaned:
    """Post-process what a language model wrote about a record."""
    removed: list[str] = []
    said = _plain(text[:LONGEST])
    for kind, act in _STEPS:
        after = act(said)
        if after.split() != said.split():
            removed.append(kind)
        said = after
    said = _sentences(said, record, removed)
    return Cleaned(said, tuple(dict.fromkeys(removed)))


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)
    return "".join(c if c == "\n" or c.isprintable() else " " for c in text.replace("\r", "\n").replace("\t", " "))


def _gone(*patterns: re.Pattern) -> Callable[[str], str]:
    def act(text: str) -> str:
        for pattern in patterns:
            text = pattern.sub(" ", text)
        return text

    return act


def _unmarked(text: str) -> str:
    for pattern in (_FENCE, _HEADING, _RULE, _BULLET):
        text = pattern.sub("", text)
    return _EMPHASIS.sub(r"\2", _EMPHASIS.sub(r"\2", text))


def _unquoted(text: str) -> str:
    text = text.strip()
    while len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    return text


_STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("template debris", _gone(_DEBRIS)),
    ("markdown", _unmarked),
    ("epilogue", _gone(_EPILOGUE)),
    ("preamble", lambda text: _LABEL.sub("", _PREAMBLE.sub("", text, count=1))),
    ("signature", _gone(_SIGNATURE)),
    ("identity", _gone(_IDENTITY)),
    ("quotes", _unquoted),
)


def _sentences(text: str, record: Record, removed: list[str]) -> str:
    lines = [part for part in _SENTENCE.split(_TITLE.sub(r"\1 ", text)) if part.strip()]
    kept: dict[str, str] = {}
    for line in lines:
        sentence = " ".join(line.split())
        if kind := _beyond(sentence, record):
            removed.append(kind)
        elif sentence.lower() in kept:
            removed.append("repetition")
        else:
            kept[sentence.lower()] = sentence
    joint = "\n" if "\n" in text.strip() and all(":" in line for line in kept) else " "
    return joint.join(kept.values())


def _beyond(sentence: str, record: Record) -> str:
    """Why a sentence goes; empty where it may stay."""
    if _PLACEHOLDER.search(sentence):
        return "placeholder"
    if _PERSON.search(sentence):
        return "name"
    if _DATE.search(sentence):
        return "date"
    if _ADVISES.search(sentence) and not _ASSESSES.search(sentence):
        return "advice"
    if record.birads is None and _ASSESSES.search(sentence):
        return "assessment"
    return ""
