"""The words that the reader of reports knows, as one pattern of alternatives: what matches is looked up."""

from __future__ import annotations

import re
from typing import Any

from mvmlm.reports.record import DESCRIBES, TERMS

NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "single": 1}
ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "v": 5, "vi": 6}
LOCATIONS = {"superior": "upper", "inferior": "lower", "lateral": "outer", "medial": "inner"}


def _terms(field: str, **more: str) -> dict[str, str]:
    """Every term of a field, and other words for some; hyphens and spaces are one."""
    return {**{term: term for term in TERMS[field]}, **more}


#: Field to the words that give it a value. Longer words come first, so that «fine linear» is no «linear».
WORDS: dict[str, dict[str, Any]] = {
    "density": {
        "almost entirely fatty": "A", "almost entirely fat": "A", "almost entirely of fat": "A", "entirely fatty": "A",
        "almost entirely composed of fat": "A", "predominantly fat": "A", "predominantly fatty": "A",
        "scattered areas of fibroglandular": "B", "scattered fibroglandular": "B",
        "scattered areas of density": "B",
        "heterogeneously dense, which may obscure small masses": "C",
        "heterogeneously dense which may obscure small masses": "C",
        "heterogeneously dense": "C",
        "extremely dense": "D",
    },
    "mass_shape": _terms("mass_shape", lobulated="oval", lobular="oval", irregularly="irregular"),
    "mass_margin": _terms(
        "mass_margin", speculated="spiculated", spiculation="spiculated", spiculations="spiculated", **{
            "well-defined": "circumscribed", "ill-defined": "indistinct", "smooth": "circumscribed",
        },
    ),
    "mass_density": {
        "high-density": "high", "hyperdense": "high", "dense mass": "high", "dense space-occupying": "high",
        "dense nodule": "high", "equal-density": "equal", "isodense": "equal", "low-density": "low",
        "hypodense": "low", "fat-containing": "fat-containing", "radiolucent": "fat-containing",
    },
    "calcification_morphology": _terms(
        "calcification_morphology", pleomorphic="fine pleomorphic", punctate="round", eggshell="rim", **{
            "fine-linear branching": "fine linear or fine-linear branching",
            "fine linear branching": "fine linear or fine-linear branching",
            "fine linear": "fine linear or fine-linear branching",
            "popcorn-like": "coarse or popcorn-like", "popcorn": "coarse or popcorn-like",
            "coarse": "coarse or popcorn-like", "rod-like": "large rod-like",
        },
    ),
    "calcification_distribution": _terms(
        "calcification_distribution", clustered="grouped", cluster="grouped", clusters="grouped", scattered="diffuse",
        diffusely="diffuse", regionally="regional",
    ),
}  # fmt: skip
#: Values that mean their finding even where no finding is named; «round» or «regional» may be said of much else.
UNMISTAKABLE = frozenset(
    {*TERMS["mass_margin"], "isodense", "amorphous", "fine pleomorphic", "coarse heterogeneous", "milk of calcium"}
) - {"obscured", "indistinct"}

#: Finding to the signs that its words begin with, and the words; so for `EXTRAS`; 0 is any digit.
FINDING = {
    "mass": ("mns", r"mass(?:es)?(?!-like| effect)|nodules?|space-occupying lesions?"),
    "calcification": ("cm", r"(?:micro-?|macro-?)?calcifications?|calci(?:fic|um) (?:deposits?|foci|densit(?:y|ies))"),
    "asymmetry": ("a", r"asymmetr(?:y|ies)|asymmetric(?:al)? (?:increased )?(?:densit(?:y|ies)|tissue)"),
    "architectural_distortion": ("ad", r"(?:architectural )?distortions?(?: of the (?:breast )?architecture)?"),
    "implant": ("i", r"implants?"),
}

#: What no record can hold, denied or not: that there is no skin thickening is as much made up as that there is.
EXTRAS = {
    "position": ("rspa0", r"\d{1,3}(?:\.\d+)? ?[cm]m (?:from|behind|deep to) the nipple|\d{1,2} ?o'? ?clock"
                r"|retroareolar|subareolar|periareolar|axillary tail"),
    "change": ("niush", r"no (?:significant |suspicious |interval )*changes?|interval change|unchanged|stable"
              r"|ha(?:s|ve) (?:increased|decreased)"),
    "no malignancy": ("nw", r"(?:no|without) (?:[a-z]+ ){0,3}?(?:evidence|signs?|features?|suspicion) (?:of|for) "
                     r"(?:[a-z]+ )?(?:malignancy|cancer|carcinoma)|negative for malignancy"),
    "biopsy": ("bph", r"biops(?:y|ies)[- ](?:proven|confirmed|showed|revealed)|(?:previous|prior) biops(?:y|ies)"
              r"|patholog\w+|histo(?:path|log)\w+"),
    "cancer": ("cdmkb", r"carcinomas?|dcis|metasta\w+|known (?:breast )?(?:cancer|malignancy)|breast cancer"),
    "history": ("fphcbams", r"family history|personal history|history of|clinical (?:history|indication)"
                r"|hormone therapy|palpable|brca\w*|(?:a?symptom|menopaus)\w+|breast pain"),
    "lymph nodes": ("la", r"lymph ?nodes?|lymphadenopathy|axilla(?:ry|e)?|adenopathy"),
    "skin": ("s", r"skin (?:thickening|retraction|changes?|lesions?|and nipples?|is|appears)"),
    "nipple": ("n", r"nipples?"),
    "other breast": ("cbo", r"contralateral|bilateral|both breasts|opposite breast|other breast"),
    "surgery": ("lmsp", r"lumpectomy|mastectomy|surgical (?:clip|scar)s?|post-?surgical|postoperative"),
}  # fmt: skip


def _any(words: dict[str, Any]) -> str:
    ordered = sorted(words, key=len, reverse=True)
    return "|".join(re.escape(word).replace(r"\ ", " ").replace(r"\-", "[- ]") for word in ordered)


def _parts_of(words: dict[str, Any], kind: str) -> list[tuple[str, str, str]]:
    initials = sorted({word[0] for word in words})
    return [(kind, i, _any({word: value for word, value in words.items() if word[0] == i})) for i in initials]


_DESCRIPTORS = "|".join(_any(words) for field, words in WORDS.items() if field in DESCRIBES)
_EARLIER = r"(?:prior|previous|earlier)"
_EXAM = r"(?:[a-z]+ )?(?:mammogra\w+|exam\w*|stud(?:y|ies)|imaging|images|films)"
_BE = r"(?:is|are|was|were|has been|have been)"
_FOUND = (
    r"(?:seen|present|identified|noted|visible|visuali[sz]ed|demonstrated|detected|observed|appreciated|evident|found"
    r"|apparent|shown)"
)
_UNSAID = r"(?:unknown|unspecified|n/a|not (?:specified|reported|stated|mentioned|provided|assessed|available|known))"
_NUMBER, _UNIT = r"\d{1,3}(?:\.\d+)?", r"(?:mm|cm|millimet\w+|centimet\w+)"
_CATEGORY = r"(?:[0-6]|iv|vi?|i{1,3})"
_CALLED = r"(?:[ :=(-]|final|overall|assessment|category|score|class(?:ification)?|code|grade|is|of)*?"
_UP, _OUT = r"(?:upper|lower|superior|inferior)", r"(?:outer|inner|lateral|medial)"
_LETTER = r"(?:[b-d]\b|a(?=[).,;:]|$| breast))"
_COUNT = r"\d{1,3}|" + "|".join(NUMBERS)
#: Kind, the signs that it can begin with (0: any digit), and its pattern, without groups. The first that fits counts.
PARTS = [
    *_parts_of(WORDS["density"], "density"),
    ("density_letter", "dcat", rf"(?:density|composition)(?: category| class| type| grade)*(?: is|:| of)?"
                       rf"(?: classified as)? ?(?:category |class |type |acr )?\(?{_LETTER}"
                       rf"|acr (?:type |category |class )?{_LETTER}"
                       rf"|(?:category|type|class) [a-d](?= (?:breast )?(?:density|composition))"),
    ("birads", "bc", rf"bi[- ]?rads{_CALLED} ?{_CATEGORY}[abc]?\b|category[: ]+{_CATEGORY}[abc]?\b"),
    ("judged", "hpsnb", r"highly suggestive|probably benign|suspicious (?:abnormality|(?:for|of) malignancy)"
               r"|negative (?:mammogra\w+|exam\w*|study)|benign findings?"),
    ("no_prior", "nwcpe", rf"(?:no|without) (?:[a-z]+ )?{_EARLIER} {_EXAM}|no (?:priors|comparisons?)\b"
                 rf"|comparison: (?:none|no)|{_EARLIER} {_EXAM} (?:is|are) (?:not |un)available"),
    ("prior", "pec", rf"{_EARLIER} {_EXAM}|comparison:"),
    ("age", "a0", r"\d{1,3}[- ]?(?:(?:years?|yrs?)[- ]?(?:old|of age)|y/?o)|aged?(?: is|:| of)? \d{1,3}\b"),
    ("n_views", "0otfsev", rf"(?:{_COUNT})[- ](?:(?:standard|mammographic) )?(?:views?|images|projections)"
                rf"|views: (?:{_COUNT})"),
    *((f"extra{i}", *said) for i, said in enumerate(EXTRAS.values())),
    ("size", "0", rf"{_NUMBER}(?: ?[cm]m)?(?: ?(?:x|by) ?{_NUMBER}(?: ?[cm]m)?){{1,2}}[ -]?{_UNIT}?"
             rf"|{_NUMBER}[ -]?{_UNIT}"),
    ("laterality", "lr", r"(?:left|right)(?:-sided)?"),
    ("quadrant", "ulsiom", rf"{_UP}[- ]{_OUT}(?: quadrant)?|{_OUT}[- ]{_UP}(?: quadrant)?"),
    ("half", "ulsiom", rf"(?:{_UP}|{_OUT})"
             r"(?= (?:half|part|portion|aspect|region|quadrants?|(?:left |right )?breast)\b)"),
    ("depth", "amp", r"(?:anterior|mid(?:dle)?|posterior)[- ](?:third|depth)"),
    *((f"finding_{name}", *said) for name, said in FINDING.items()),
    ("but_one", "n", rf"(?:not|non)[- ](?:{_DESCRIPTORS})"),
    *(part for name in WORDS if name != "density" for part in _parts_of(WORDS[name], name)),
    ("unsaid", ":", rf": {_UNSAID}"),
    ("none", ":", r": (?:none|no|nil|negative|absent)"),
    ("open", "nc", r"not only|no doubt|(?:not|cannot) (?:be )?(?:\w+ly )?(?:excluded?|ruled? out)"
             r"|not (?:entirely|extremely|heterogeneously|almost) \w+"),
    ("negpost", "iawhenr", rf"(?:{_BE} )?(?:absent|excluded|ruled out|no longer {_FOUND}|not (?:\w+ly )?{_FOUND})"
                rf"|(?:is|are|was|were)n't {_FOUND}"),
    ("neg", "nwafldi", r"(?:no|without)(?: other| additional| further| new)?|absence of|negative for|free (?:of|from)"
            r"|neither|nor|not|lack of|lacks|devoid of|fails? to \w+|(?:is|are|was|were|do|does)n't"),
    ("but", "bhae", r"but|however|although|though|except"),
    ("opens", "tsdrc", r"there (?:is|are)|shows?|demonstrates?|reveals?|contains?"),
    ("seen", "iawhspnvdoef", rf"(?:{_BE} )?{_FOUND}"),
]  # fmt: skip

_START = {"0": r"\d"}
_INITIALS = sorted({letter for _, letters, _ in PARTS for letter in letters})
#: The alternatives in their order, by the sign that they begin with: a word is tried against few of them.
_TRIED = [(letter, kind, pattern) for letter in _INITIALS for kind, letters, pattern in PARTS if letter in letters]
#: What a match means, by its group's number (`re.Match.lastindex`).
KINDS = ("", *(kind for _, kind, _ in _TRIED))
SAYS = re.compile(
    r"\b(?:"
    + "|".join(
        f"(?={_START.get(i, i)})(?:{'|'.join(f'({pattern})' for of, _, pattern in _TRIED if of == i)})"
        for i in _INITIALS
    )
    + r")(?!\w)"
)
