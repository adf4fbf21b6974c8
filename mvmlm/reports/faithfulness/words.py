"""The words that the reader of reports knows, as one pattern of alternatives: what matches is looked up."""

from __future__ import annotations

import re
from typing import Any

from mvmlm.reports.record import TERMS

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "single": 1}

LOCATIONS = {"superior": "upper", "inferior": "lower", "lateral": "outer", "medial": "inner"}


def _terms(field: str, **more: str) -> dict[str, str]:
    """Every term of a field, and other words for some; hyphens and spaces are one."""
    return {**{term: term for term in TERMS[field]}, **more}


#: Field to the words that give it a value. Longer words come first, so that «fine linear» is no «linear».
WORDS: dict[str, dict[str, Any]] = {
    "density": {
        "almost entirely fatty": "A",
        "entirely fatty": "A",
        "predominantly fat": "A",
        "predominantly fatty": "A",
        "scattered areas of fibroglandular density": "B",
        "scattered fibroglandular densities": "B",
        "scattered fibroglandular density": "B",
        "scattered fibroglandular tissue": "B",
        "scattered fibroglandular elements": "B",
        "scattered fibroglandular": "B",
        "heterogeneously dense, which may obscure small masses": "C",
        "heterogeneously dense which may obscure small masses": "C",
        "heterogeneously dense": "C",
        "extremely dense, which lowers the sensitivity of mammography": "D",
        "extremely dense": "D",
    },
    "mass_shape": _terms("mass_shape", lobulated="oval"),
    "mass_margin": _terms(
        "mass_margin", speculated="spiculated", **{"well-defined": "circumscribed", "ill-defined": "indistinct"}
    ),
    "mass_density": {
        "high-density": "high", "hyperdense": "high", "dense mass": "high", "dense space-occupying": "high",
        "dense nodule": "high", "equal-density": "equal", "isodense": "equal", "low-density": "low",
        "hypodense": "low", "fat-containing": "fat-containing", "radiolucent": "fat-containing",
    },
    "calcification_morphology": _terms(
        "calcification_morphology", pleomorphic="fine pleomorphic", punctate="round", **{
            "fine-linear branching": "fine linear or fine-linear branching",
            "fine linear branching": "fine linear or fine-linear branching",
            "fine linear": "fine linear or fine-linear branching",
            "popcorn-like": "coarse or popcorn-like", "popcorn": "coarse or popcorn-like",
        },
    ),
    "calcification_distribution": _terms(
        "calcification_distribution", clustered="grouped", cluster="grouped", clusters="grouped", scattered="diffuse"
    ),
}  # fmt: skip

FINDING = {
    "mass": r"mass(?:es)?|nodules?",
    "calcification": r"(?:micro|macro)?calcifications?|calcific deposits?",
    "asymmetry": r"asymmetr(?:y|ies)|asymmetric(?:al)? (?:increased )?densit(?:y|ies)",
    "architectural_distortion": r"architectural distortions?|distortions? of the architecture",
    "implant": r"implants?",
}

EXTRAS = {
    "biopsy": r"biopsy[- ](?:proven|confirmed|showed|revealed)|previous biopsy|prior biopsy|patholog\w+|histolog\w+",
    "cancer": r"carcinomas?|dcis|metasta\w+|known cancer|breast cancer",
    "history": r"family history|personal history|history of|hormone therapy|palpable|brca",
    "lymph nodes": r"lymph ?nodes?|lymphadenopathy|axillary nodes?|adenopathy",
    "skin": r"skin thickening|skin retraction|skin changes",
    "nipple": r"nipple (?:retraction|inversion|discharge)",
    "other breast": r"contralateral|bilateral|both breasts|opposite breast",
    "surgery": r"lumpectomy|mastectomy|surgical (?:clip|scar)s?|post-?surgical|postoperative",
}


def _any(words: dict[str, Any]) -> str:
    ordered = sorted(words, key=len, reverse=True)
    return "|".join(re.escape(word).replace(r"\ ", " ").replace(r"\-", "[- ]") for word in ordered)


_EARLIER, _EXAM = r"(?:prior|previous|earlier)", r"(?:mammogra\w+|examination|study|imaging|exam)"
_NOT_SEEN = r"(?:is|are|was|were) (?:not|absent)|absent|not (?:seen|present|identified|noted|visible|demonstrated)"
_PARTS = [
    ("density", _any(WORDS["density"])),
    ("density_letter", r"(?:breast )?(?:density|composition)(?: category| class| type)?[: ]*\(?\b([a-d])\b"),
    ("birads", r"bi-?rads(?: assessment)?(?: category)?[: ]*\(?([0-6])[abc]?\b|category[: ]+([0-6])[abc]?\b"),
    ("prior", rf"(?:no|without) {_EARLIER} {_EXAM}|comparison: none|{_EARLIER} {_EXAM}[^.;]{{0,20}}?available"
              rf"|compar\w+[^.;]{{0,30}}?\b{_EARLIER}\b[^.;]{{0,14}}?{_EXAM}"),
    ("age", r"(\d{1,3})[- ]?(?:years?|yr)[- ](?:old|of age)|age[d:]* (\d{1,3})\b"),
    ("n_views", r"(\d{1,3}|one|two|three|four|five|six|seven|eight|single) views?\b"),
    ("size", r"(\d{1,3}(?:\.\d+)?) ?(mm|cm|millimet\w+|centimet\w+)"),
    ("laterality", r"\b(left|right)(?:-sided)?\b"),
    ("quadrant", r"(upper|lower|superior|inferior)[- ](outer|inner|lateral|medial)(?: quadrant)?"),
    ("half", r"(upper|lower|outer|inner|superior|inferior|lateral|medial) (?:half|part|portion|aspect)"),
    ("depth", r"(anterior|middle|posterior)(?: third| depth)"),
    *((f"extra{i}", pattern) for i, pattern in enumerate(EXTRAS.values())),
    *((f"finding_{name}", pattern) for name, pattern in FINDING.items()),
    *((name, _any(WORDS[name])) for name in WORDS if name != "density"),
    ("negpost", _NOT_SEEN),
    ("neg", r"no|without|absence of|negative for|free of|neither|nor|not|lack of|lacks"),
    ("but", r"but|however|although|though|except|there (?:is|are)|(?:is|are) (?:seen|noted|present|identified)"),
]  # fmt: skip

#: Every alternative, named by its kind; sub-groups hold numbers and letters.
SAYS = re.compile(r"\b(?:" + "|".join(f"(?P<{name}>{pattern})" for name, pattern in _PARTS) + r")(?!\w)")
BUT = frozenset({"but", "however", "although", "though", "except"})
