"""The wordings of the ``paraphrase`` grammar. Each list holds ways to say one and the same thing, and nothing more."""

from __future__ import annotations

SIDES = {
    "L": ("the left breast", "the left side", "the patient's left breast"),
    "R": ("the right breast", "the right side", "the patient's right breast"),
    "": ("one breast", "a single breast"),
}
NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}

TECHNIQUE = (
    "mammography of {where}",
    "a mammogram of {where} was obtained",
    "digital mammography of {where} was performed",
    "unilateral mammogram of {where}",
)
TECHNIQUE_OF_VIEWS = (
    "mammography of {where} in {views}",
    "a mammogram of {where} was obtained with {views}",
    "{views} of {where} were obtained",
    "digital mammography of {where}, {views}",
)
AGE = (
    "the patient is {age} years old",
    "the patient is a {age}-year-old woman",
    "{age}-year-old patient",
    "age: {age} years",
)
PRIOR = {
    True: (
        "comparison is made with a prior examination",
        "a prior mammogram is available for comparison",
        "the study is compared with an earlier examination",
    ),
    False: (
        "there is no prior examination for comparison",
        "no earlier mammogram is available for comparison",
        "comparison: none",
    ),
}
IMPLANT = {
    True: ("an implant is present", "a breast implant is seen", "the breast contains an implant"),
    False: ("there is no implant", "no breast implant is seen", "the breast contains no implant"),
}
COMPOSITION = {
    "A": (
        "the breast is almost entirely fatty",
        "the breast tissue is almost entirely fatty",
        "breast composition: almost entirely fatty (density A)",
        "the parenchyma is predominantly fat, ACR density A",
    ),
    "B": (
        "there are scattered areas of fibroglandular density",
        "scattered fibroglandular densities are present",
        "breast composition: scattered fibroglandular tissue (density B)",
        "the breast shows scattered fibroglandular elements, ACR density B",
    ),
    "C": (
        "the breast is heterogeneously dense, which may obscure small masses",
        "the breast tissue is heterogeneously dense",
        "breast composition: heterogeneously dense (density C)",
        "the parenchyma is heterogeneously dense, ACR density C",
    ),
    "D": (
        "the breast is extremely dense, which lowers the sensitivity of mammography",
        "the breast tissue is extremely dense",
        "breast composition: extremely dense (density D)",
        "the parenchyma is extremely dense, ACR density D",
    ),
}

SEEN = (
    "there {verb} {noun}{where}",
    "{noun} {verb} seen{where}",
    "{noun} {verb} noted{where}",
    "{noun} {verb} present{where}",
    "the mammogram shows {noun}{where}",
    "imaging demonstrates {noun}{where}",
)
MASS = ("mass", "mass", "mass lesion", "space-occupying mass")
MASS_DENSITY = {
    "high": ("high-density", "dense"),
    "equal": ("equal-density", "isodense"),
    "low": ("low-density",),
    "fat-containing": ("fat-containing",),
}
MARGIN = ("with {margin} margins", "with {article} {margin} margin", "whose margin is {margin}")
SIZE = ("measuring {size}", "{size} in size", "of {size}")
CALCIFICATIONS = ("calcifications", "calcifications", "calcific deposits")
MORPHOLOGY_BEHIND = ("of {morphology} morphology", "with {morphology} morphology", "that are {morphology}")
DISTRIBUTION = (
    "in a {distribution} distribution",
    "with {distribution} distribution",
    "that are {distribution} in distribution",
)
ASYMMETRY = ("asymmetry", "area of asymmetry", "asymmetric density")

ABSENT = {
    "mass": ("mass", "mass lesion", "discrete mass"),
    "calcification": ("calcification", "calcifications", "suspicious calcification"),
    "asymmetry": ("asymmetry", "asymmetric density"),
    "architectural_distortion": ("architectural distortion",),
}
DENIED = (
    "there is no {what}",
    "no {what} is seen",
    "no evidence of {what}",
    "the breast is without {what}",
    "negative for {what}",
)

CATEGORY = (
    "assessment: BI-RADS {category}, {words}",
    "BI-RADS category {category}: {words}",
    "impression: {words} (BI-RADS {category})",
    "overall assessment is BI-RADS {category}",
)
ASSESSMENT = {
    0: ("incomplete, additional imaging evaluation is needed", "incomplete", "needs additional imaging"),
    1: ("negative", "negative, routine screening is recommended", "negative examination"),
    2: ("benign", "benign, routine screening is recommended", "benign finding"),
    3: ("probably benign", "probably benign, short-interval follow-up is recommended", "probably benign finding"),
    4: ("suspicious", "suspicious, tissue diagnosis is recommended", "suspicious abnormality"),
    5: (
        "highly suggestive of malignancy",
        "highly suggestive of malignancy, tissue diagnosis is recommended",
        "highly suggestive of malignancy, biopsy should be performed",
    ),
}
