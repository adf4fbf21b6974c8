"""Hand-written texts and what they say: the reader of reports finds that, and nothing else."""

from __future__ import annotations

import pytest

from mvmlm.reports.faithfulness import check
from mvmlm.reports.record import Record

NONE = dict.fromkeys(("mass", "calcification", "asymmetry", "architectural_distortion"), False)
CLUSTER = {"calcification": True, "calcification_distribution": "grouped"}
SPICULATED = {"mass": True, "mass_margin": "spiculated"}

#: Text, and the record that says the same.
PAIRS = [
    # Composition.
    ("The breasts are almost entirely fatty.", {"density": "A"}),
    ("There are scattered areas of fibroglandular density.", {"density": "B"}),
    ("Scattered fibroglandular densities.", {"density": "B"}),
    ("The breast tissue is heterogeneously dense, which may obscure small masses.", {"density": "C"}),
    ("The breast is extremely dense, which lowers the sensitivity of mammography.", {"density": "D"}),
    ("Breast density: C.", {"density": "C"}),
    ("ACR density b.", {"density": "B"}),
    ("Breast composition category d.", {"density": "D"}),
    # Assessment.
    ("BI-RADS 4.", {"birads": 4}),
    ("BI-RADS category 2: benign.", {"birads": 2}),
    ("Assessment: BIRADS 0.", {"birads": 0}),
    ("BI-RADS 4A, suspicious.", {"birads": 4}),
    ("Impression: probably benign (BI-RADS 3).", {"birads": 3}),
    ("Impression: highly suggestive of malignancy.", {"birads": 5}),
    ("Impression: negative.", {"birads": 1}),
    ("Assessment: incomplete, additional imaging is needed.", {"birads": 0}),
    # Findings that are there.
    ("There is a mass.", {"mass": True}),
    ("A spiculated mass is seen.", SPICULATED),
    ("There is an irregular, high-density mass with a spiculated margin.",
     {**SPICULATED, "mass_shape": "irregular", "mass_density": "high"}),
    ("Round isodense mass with circumscribed margins.",
     {"mass": True, "mass_shape": "round", "mass_density": "equal", "mass_margin": "circumscribed"}),
    ("An oval fat-containing mass.", {"mass": True, "mass_shape": "oval", "mass_density": "fat-containing"}),
    ("A 14 mm mass.", {"mass": True, "mass_size": 14}),
    ("A mass measuring 1.4 cm.", {"mass": True, "mass_size": 14}),
    ("There is a mass in the upper outer quadrant at posterior depth.",
     {"mass": True, "mass_location": "upper outer", "mass_depth": "posterior"}),
    ("A mass is present in the lower half.", {"mass": True, "mass_location": "lower"}),
    ("In the upper inner quadrant there is a mass.", {"mass": True, "mass_location": "upper inner"}),
    ("Calcifications are seen.", {"calcification": True}),
    ("Grouped microcalcifications.", CLUSTER),
    ("Fine pleomorphic calcifications in a segmental distribution.",
     {"calcification": True, "calcification_morphology": "fine pleomorphic",
      "calcification_distribution": "segmental"}),
    ("There are round calcifications.", {"calcification": True, "calcification_morphology": "round"}),
    ("There are fine linear calcifications.",
     {"calcification": True, "calcification_morphology": "fine linear or fine-linear branching"}),
    ("Vascular calcifications in the lower outer quadrant.",
     {"calcification": True, "calcification_morphology": "vascular", "calcification_location": "lower outer"}),
    ("There is a focal asymmetry.", {"asymmetry": True}),
    ("An asymmetric density is noted.", {"asymmetry": True}),
    ("Architectural distortion is present.", {"architectural_distortion": True}),
    # Findings that are denied.
    ("There is no mass.", {"mass": False}),
    ("No mass or calcification.", {"mass": False, "calcification": False}),
    ("There is no mass, calcification, asymmetry or architectural distortion.", NONE),
    ("No suspicious masses, calcifications, asymmetry or architectural distortion are seen.", NONE),
    ("The breast is without mass.", {"mass": False}),
    ("Negative for calcifications.", {"calcification": False}),
    ("Absence of architectural distortion.", {"architectural_distortion": False}),
    ("No evidence of mass.", {"mass": False}),
    ("A mass is not seen.", {"mass": False}),
    ("Calcifications are absent.", {"calcification": False}),
    ("Neither mass nor calcification is seen.", {"mass": False, "calcification": False}),
    # Both in one sentence.
    ("No mass is seen, but there are grouped calcifications.", {"mass": False, **CLUSTER}),
    ("There is a mass without calcifications.", {"mass": True, "calcification": False}),
    ("There is a spiculated mass; no calcifications.", {**SPICULATED, "calcification": False}),
    ("Grouped calcifications are present, however there is no mass.", {**CLUSTER, "mass": False}),
    # Technique, age, comparison, implant.
    ("Mammography of the left breast.", {"laterality": "L"}),
    ("Digital mammogram of the right breast in two views.", {"laterality": "R", "n_views": 2}),
    ("The patient is 54 years old.", {"age": 54}),
    ("A 61-year-old woman.", {"age": 61}),
    ("Comparison is made with a prior examination.", {"prior": True}),
    ("There is no prior examination for comparison.", {"prior": False}),
    ("An implant is present.", {"implant": True}),
    ("No breast implant is seen.", {"implant": False}),
    # Key and value.
    ("examination: mammography\nage: 61\nmass: present\nmass shape: oval\ncalcification: absent\nbirads: 3",
     {"age": 61, "mass": True, "mass_shape": "oval", "calcification": False, "birads": 3}),
    ("mass size: 12 mm\nmass location: upper outer", {"mass_size": 12, "mass_location": "upper outer"}),
    # As large models write.
    ("The breast is composed of scattered areas of fibroglandular density. An irregular mass with spiculated margins "
     "is identified in the upper outer quadrant. There are no suspicious calcifications. BI-RADS 5: Highly suggestive "
     "of malignancy.",
     {"density": "B", **SPICULATED, "mass_shape": "irregular", "mass_location": "upper outer", "calcification": False,
      "birads": 5}),
    ("Mammographic evaluation of this 47-year-old patient demonstrates heterogeneously dense breast tissue. No masses, "
     "suspicious calcifications, or areas of architectural distortion are identified. Assessment: BI-RADS 1, negative.",
     {"age": 47, "density": "C", "mass": False, "calcification": False, "architectural_distortion": False,
      "birads": 1}),
    # Nothing at all.
    ("", {}),
    ("Lorem ipsum dolor sit amet.", {}),
    ("🙂 \x00\x07 \u202e", {}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fields"), PAIRS)
def test_what_a_text_says_is_read(text, fields):
    verdict = check(Record(**fields), text)
    assert (verdict.hallucinated, verdict.contradicted, verdict.omitted) == ((), (), ())


#: Record, text, and what is wrong with it: hallucinated, contradicted, omitted.
FAULTS = [
    ({"mass": True}, "There is no mass.", (), ("mass",), ()),
    ({"mass": False}, "There is a spiculated mass.", (), ("mass", "mass_margin"), ()),
    ({"mass": True}, "There is a spiculated mass.", ("mass_margin",), (), ()),
    ({"mass": True, "mass_margin": "obscured"}, "A spiculated mass.", (), ("mass_margin",), ()),
    ({"mass": True, "birads": 4}, "There is a mass.", (), (), ("birads",)),
    ({"birads": 4}, "BI-RADS 2, benign.", (), ("birads",), ()),
    ({"mass": True}, "There is a mass. There are no calcifications.", ("calcification",), (), ()),
    ({"density": "A"}, "The breast is extremely dense.", (), ("density",), ()),
    ({"age": 50}, "The patient is 51 years old.", (), ("age",), ()),
    ({"laterality": "L"}, "Mammography of the right breast.", (), ("laterality",), ()),
    ({"mass": True, "mass_size": 12}, "There is a 21 mm mass.", (), ("mass_size",), ()),
    ({}, "There is a mass.", ("mass",), (), ()),
    ({"mass": True, "calcification": False}, "", (), (), ("calcification", "mass")),
]


@pytest.mark.parametrize(("fields", "text", "hallucinated", "contradicted", "omitted"), FAULTS)
def test_what_is_wrong_is_found_and_named(fields, text, hallucinated, contradicted, omitted):
    verdict = check(Record(**fields), text)
    found = (verdict.hallucinated, verdict.contradicted, verdict.omitted)
    assert tuple(tuple(sorted(names)) for names in found) == (hallucinated, contradicted, omitted)


@pytest.mark.parametrize(
    "text",
    [
        "There is a mass. Biopsy-proven carcinoma.",
        "There is a mass. The patient has a family history of breast cancer.",
        "There is a mass. Axillary lymph nodes are enlarged.",
        "There is a mass. Skin thickening is present.",
        "There is a mass. Mrs. Jones was examined on 03/14/2021.",
    ],
)
def test_what_no_record_can_hold_is_made_up(text):
    verdict = check(Record(mass=True), text)
    assert verdict.hallucinated and not verdict.faithful


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["no " * 300_000, "a" * 1_000_000, "mass, " * 150_000, "(" * 200_000, "1 " * 300_000])
def test_an_endless_text_takes_no_endless_time(text):
    assert check(Record(birads=1), text).omitted == ("birads",)
