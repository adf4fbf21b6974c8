"""What a language model writes round a report, and beyond its record, taken away."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from mvmlm.reports.faithfulness.extract import PERSONAL, extract
from mvmlm.reports.record import Record

_ROUNDS = 8  # what is taken away can lay bare a preamble or a quote; two rounds are usual
LONGEST = 20_000  # characters; what is longer is an endless generation
_DEBRIS = re.compile(
    r"<\|start_header_id\|>\w*<\|end_header_id\|>|<\|[^|>\n]{1,40}\|>|\[/?INST\]|<</?SYS>>|</?s>"
    r"|^(?:assistant|user|system) *$",
    re.MULTILINE,
)
_FENCE = re.compile(r"^ *```.*$", re.MULTILINE)
_TITLE_LINE = re.compile(r"^ *#{1,6} [^:.\d\n]*:? *$", re.MULTILINE)
_HEADING = re.compile(r"^ *#{1,6} +", re.MULTILINE)
_TABLE_HEAD = re.compile(r"^ *\|[^\n]*\| *\n *\|[-: |]+\| *$", re.MULTILINE)
_ROW = re.compile(r"^ *\| *([^|\n]+?) *\| *([^|\n]+?) *\| *$", re.MULTILINE)
_RULE = re.compile(r"^[-*_=|: ]{3,}$", re.MULTILINE)
_BULLET = re.compile(r"^ *(?:[-*•+]|\d{1,2}[.)]) +", re.MULTILINE)
_EMPHASIS = re.compile(r"(\*\*|__|\*|`)(?=\S)(.+?)(?<=\S)\1")
_LABEL = re.compile(
    r"^ *(?:mammography )?(?:report|findings?) *: *|^ *(?:(?:mammography )?report|findings?|impression|technique) *$",
    re.IGNORECASE | re.MULTILINE,
)
_PREAMBLE = re.compile(
    r"^\s*(?:"
    r"(?:sure|certainly|of course|absolutely|okay|ok)\b[^\n.:!]{0,80}[.:!]|"
    r"(?:i'd be (?:happy|glad)|i would be happy|as an ai|i am an ai|i'm an ai|note:|please note|disclaimer)"
    r"[^\n.!]{0,200}[.!\n]|"
    r"(?:here|below)(?: is|'s| are)\b(?:[^\n:.]{0,120}:|[^\n:.]{0,60}(?:report|summary|description)[^\n:.]{0,60}\.)"
    r")\s*",
    re.IGNORECASE,
)
_EPILOGUE = re.compile(
    r"(?:(?<=[.!?])\s+|\n)"
    r"(?:please (?:note|let me know)|let me know|i hope|feel free|note(?=:)|disclaimer|as an ai|i am an ai)\b.*\Z",
    re.IGNORECASE | re.DOTALL,
)
_SIGNATURE = re.compile(
    r"^ *(?:(?:electronically )?(?:signed|dictated|reported|interpreted)\b.*|(?:sincerely|regards|best regards)\b.*|"
    r"(?:radiologist|physician|signature) *(?::.*)?|dr\.? +[A-Z].*|.*, *m\.?d\.? *)$",
    re.IGNORECASE | re.MULTILINE,
)
_IDENTITY = re.compile(
    r"^ *(?:(?:patient(?:'s)?(?: name| id)?|name|mrn|dob|date(?: of [a-z]+)?|hospital|clinic|institution|"
    r"accession(?: number)?|referring [a-z]+|exam date) *:.*|mrn\b.*|"
    r"[\w' ]{1,60}(?:hospital|clinic|(?:medical|imaging|breast) cent(?:er|re)|department of radiology))$",
    re.IGNORECASE | re.MULTILINE,
)
_PLACEHOLDER = re.compile(r"\[[^\]\n]{1,60}\]")
_TITLE = re.compile(r"\b(Mr|Mrs|Ms|Dr)\. (?=[A-Z])")
_ASSESSES = re.compile(
    r"\bbi-?rads\b|\bassessment\b|\bimpression\b"
    r"|\bsuggestive of malignancy\b|\bhighly suspicious\b|\b(?:is|are) suspicious\b",
    re.IGNORECASE,
)
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
    """Post-process what a language model wrote about a record.

    What remains is cleaned again until nothing is left to take away, so that cleaning twice is cleaning once.
    """
    removed: list[str] = []
    said = _plain(text[:LONGEST])
    for _ in range(_ROUNDS):
        before = said
        for kind, act in _STEPS:
            after = act(said)
            if after.split() != said.split():
                removed.append(kind)
            said = after
        said = _sentences(said, record, removed)
        if said == before:
            break
    return Cleaned(said, tuple(dict.fromkeys(removed)))


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)
    text = "".join(c if c == "\n" or c.isprintable() else " " for c in text.replace("\r", "\n").replace("\t", " "))
    return re.sub(r"\n[ \n]*\n", "\n\n", re.sub(r"  +", " ", text)).strip()


def _gone(*patterns: re.Pattern) -> Callable[[str], str]:
    def act(text: str) -> str:
        for pattern in patterns:
            text = pattern.sub(" ", text)
        return text

    return act


def _unmarked(text: str) -> str:
    for pattern in (_FENCE, _TITLE_LINE, _HEADING, _TABLE_HEAD):
        text = pattern.sub("", text)
    text = _ROW.sub(r"\1: \2", text)
    for pattern in (_RULE, _BULLET):
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
    ("preamble", lambda text: _LABEL.sub("", _PREAMBLE.sub("", text, count=1))),
    ("epilogue", _gone(_EPILOGUE)),
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
    if personal := PERSONAL.search(sentence):
        return personal.lastgroup or ""
    if _ADVISES.search(sentence) and not _ASSESSES.search(sentence):
        return "advice"
    if record.birads is None and (_ASSESSES.search(sentence) or _assesses(sentence)):
        return "assessment"
    return ""


def _assesses(sentence: str) -> bool:
    claims = extract(sentence)
    return "birads" in claims.values or "no malignancy" in claims.extras
