"""Where findings lie, by their boxes: one rule a test, and the simulated exams, whose findings have known places."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from mvmlm.data.exam_table import breast_table, validate
from mvmlm.data.findings_place import BLURRED, DEPTHS, MIDDLE, PLACED, REACH, UNSAID
from mvmlm.data.phantom import PhantomOptions
from mvmlm.data.phantom.records import simulate_exam
from mvmlm.data.readers import DATASETS
from mvmlm.reports.record import RECORD_FIELDS, TERMS, record_from_breast

HEIGHT, WIDTH = 1000, 800


def box(down: float, deep: float = 0.2, size: int = 100, category: str = "Mass") -> dict:
    """A square region of ``size`` pixels; its centre as shares of the height and, from the left edge, of the width."""
    x, y = deep * WIDTH, down * HEIGHT
    corners = {"x0": x - size / 2, "y0": y - size / 2, "x1": x + size / 2, "y1": y + size / 2}
    return {"category": category, **corners}


def view(name: str, *boxes: dict, side: str = "L", breast: str = "p", **changes) -> dict:
    return {
        "dataset": "set",
        "patient_id": breast,
        "exam_id": breast,
        "breast_id": f"{breast}_{side}",
        "laterality": side,
        "view": name,
        "path": "a.png",
        "mass": True,
        "boxes": json.dumps(boxes),
        "image_height": HEIGHT,
        "image_width": WIDTH,
        "pixel_spacing": 0.1,
        **changes,
    }


def placed(*views: dict) -> pd.Series:
    """The places of one breast."""
    return breasts_of(*views)[list(PLACED)].iloc[0]


def breasts_of(*views: dict) -> pd.DataFrame:
    return breast_table(validate(pd.DataFrame(views).assign(image_id=[f"i{n:02}" for n in range(len(views))])))


class TestLocation:
    @pytest.mark.parametrize(
        "name, down, said",
        [("CC", 0.2, "outer"), ("CC", 0.8, "inner"), ("MLO", 0.2, "upper"), ("MLO", 0.9, "lower")],
    )
    def test_one_view_tells_a_half(self, name, down, said):
        assert placed(view(name, box(down)))["mass_location"] == said

    @pytest.mark.parametrize("name", ["CC", "MLO"])
    def test_a_box_near_the_line_says_nothing(self, name):
        for off in (-0.9 * UNSAID, 0.0, 0.9 * UNSAID):
            assert pd.isna(placed(view(name, box(MIDDLE[name] + off)))["mass_location"])
        assert placed(view(name, box(MIDDLE[name] + 1.1 * UNSAID)))["mass_location"] in ("inner", "lower")

    def test_two_views_tell_a_quadrant(self):
        assert placed(view("CC", box(0.3)), view("MLO", box(0.2)))["mass_location"] == "upper outer"
        assert placed(view("CC", box(0.7)), view("MLO", box(0.8)))["mass_location"] == "lower inner"

    def test_what_is_high_in_an_mlo_because_it_is_outer_is_not_upper(self):
        """At 45°, a finding on the level of the nipple and 0.2 outwards lies 0.14 over the line."""
        outer, high = box(0.5 - 0.2), box(MIDDLE["MLO"] - 0.2 / np.sqrt(2))
        assert placed(view("MLO", high))["mass_location"] == "upper"
        assert placed(view("CC", outer), view("MLO", high))["mass_location"] == "outer"
        assert placed(view("CC", box(0.5 + 0.2)), view("MLO", high))["mass_location"] == "upper inner"

    def test_both_sides_hang_with_the_outer_side_up(self):
        left, right = (placed(view("CC", box(0.2), side=side))["mass_location"] for side in "LR")
        assert left == right == "outer"

    def test_of_several_the_largest_of_a_view_is_placed(self):
        row = placed(view("CC", box(0.2, size=60), box(0.8, size=90)))
        assert (row["mass_location"], row["mass_size"]) == ("inner", 9)

    def test_other_views_have_no_lines(self):
        row = placed(view("ML", box(0.2)), view("MLO", box(0.9)))
        assert row["mass_location"] == "lower"

    def test_a_view_of_unknown_size_places_nothing(self):
        row = placed(view("CC", box(0.2), image_height=None, image_width=None))
        assert row[["mass_location", "mass_depth"]].isna().all()
        assert row["mass_size"] == 10


class TestDepth:
    @pytest.mark.parametrize("third, said", list(enumerate(DEPTHS)))
    @pytest.mark.parametrize("side", ["L", "R"])
    def test_thirds_are_counted_from_the_chest_wall(self, side, third, said):
        deep = REACH * (third + 0.5) / 3
        at = deep if side == "L" else 1 - deep
        assert placed(view("CC", box(0.3, at), side=side))["mass_depth"] == said

    def test_a_box_near_a_limit_says_nothing(self):
        assert pd.isna(placed(view("CC", box(0.3, REACH * (1 / 3 + 0.9 * BLURRED))))["mass_depth"])

    def test_views_are_averaged(self):
        views = [view(name, box(0.3, REACH * deep)) for name, deep in (("CC", 0.3), ("MLO", 0.6))]
        assert [placed(one)["mass_depth"] for one in views] == [pd.NA, "middle"]
        assert placed(*views)["mass_depth"] == "middle"


class TestSize:
    def test_it_is_the_longest_side_in_millimetres_over_all_views(self):
        long = {**box(0.3), "y1": 400.0}  # 150 pixels high, 100 wide
        row = placed(
            view("CC", box(0.3, size=80)), view("MLO", long, pixel_spacing=0.05), view("ML", box(0.5, size=123))
        )
        assert row["mass_size"] == 12

    def test_it_is_unknown_without_spacing_while_the_place_is_known(self):
        row = placed(view("CC", box(0.2), pixel_spacing=None))
        assert pd.isna(row["mass_size"]) and row["mass_location"] == "outer"

    @pytest.mark.parametrize("spacing", [0.001, 10.0])
    def test_impossible_ones_are_unknown(self, spacing):
        assert pd.isna(placed(view("CC", box(0.2), pixel_spacing=spacing))["mass_size"])

    def test_calcifications_have_none(self):
        row = placed(view("CC", box(0.2, category="Suspicious Calcification"), mass=False))
        assert pd.isna(row["mass_size"]) and row["calcification_location"] == "outer"


class TestWhatCounts:
    def test_each_finding_has_its_own_boxes(self):
        row = placed(view("CC", box(0.2), box(0.8, category="Calcifications"), box(0.9, category="Skin Thickening")))
        assert (row["mass_location"], row["calcification_location"]) == ("outer", "inner")

    @pytest.mark.parametrize(
        "labels, places",
        [
            ({"mass": True, "calcification": False}, ("outer", pd.NA)),
            ({"mass": True, "calcification": None}, ("outer", pd.NA)),
            ({"mass": False, "calcification": True}, (pd.NA, "outer")),
            ({"mass": True, "calcification": True}, (pd.NA, pd.NA)),
            ({"mass": None, "calcification": None}, (pd.NA, pd.NA)),
            ({"mass": True, "asymmetry": True}, (pd.NA, pd.NA)),
        ],
    )
    def test_a_nameless_region_is_that_of_the_only_finding(self, labels, places):
        row = placed(view("CC", box(0.2, category="region"), **labels))
        assert (row["mass_location"], row["calcification_location"]) == places

    def test_what_the_labels_deny_has_no_place(self):
        assert placed(view("CC", box(0.2), mass=False)).isna().all()

    @pytest.mark.parametrize(
        "boxes",
        [None, "", "[]", "no list", '[{"category": "Mass", "x0": "a"}]', '[{"category": "mass", "mask": ["m.png"]}]'],
    )
    def test_without_a_readable_box_all_is_unknown(self, boxes):
        breasts = breasts_of(view("CC", boxes=boxes), view("MLO", boxes=boxes))
        assert breasts[list(PLACED)].isna().all(axis=None)
        kinds = {name: str(dtype) for name, dtype in breasts[list(PLACED)].dtypes.items()}
        assert kinds == {**dict.fromkeys(PLACED, "string"), "mass_size": "Int64"}

    def test_boxes_outside_the_image_are_those_of_another_size(self):
        assert placed(view("CC", box(1.2), box(0.3, 1.4))).isna().all()

    def test_every_breast_keeps_its_own(self):
        breasts = breasts_of(
            view("CC", box(0.2)),
            view("CC", box(0.8), side="R"),
            view("CC", breast="q"),
            view("MLO", box(0.9), breast="q"),
        )
        assert breasts["mass_location"].to_dict() == {"p_L": "outer", "p_R": "inner", "q_L": "lower"}

    def test_a_large_table_with_few_boxes(self):
        marked = pd.DataFrame([view("CC", box(0.2)), view("MLO", box(0.2))])
        empty = pd.DataFrame([view("CC", boxes=None), view("MLO", boxes="[]")])
        table = pd.concat([marked, *[empty] * 49_999], ignore_index=True)
        who = "p" + (table.index // 2).astype(str)
        table = table.assign(image_id="i" + table.index.astype(str), patient_id=who, exam_id=who, breast_id=who + "_L")
        breasts = breast_table(validate(table))
        assert len(breasts) == 50_000
        assert breasts["mass_location"].dropna().to_dict() == {"p0_L": "upper outer"}


def test_every_place_is_a_term_of_the_record():
    names = {name for name in PLACED if name != "mass_size"}
    assert set(PLACED) <= set(RECORD_FIELDS) and names <= set(TERMS)
    breast = breasts_of(view("CC", box(0.2)), view("MLO", box(0.2))).iloc[0]
    record = record_from_breast(breast, PLACED)
    assert (record.mass_location, record.mass_size, record.calcification_depth) == ("upper outer", 10, None)


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> pd.DataFrame:
    """Places of the findings that are the only ones of their kind in a simulated breast, said and true."""
    options = PhantomOptions(exams=60, height=160, width=128, seed=11, mass_rate=0.6, calcification_rate=0.5)
    root, reader = tmp_path_factory.mktemp("phantom") / "set", DATASETS.get("phantom")()
    reader.generate(root, options)
    breasts = breast_table(reader.read(root))
    rows = []
    for exam in (simulate_exam(options, index) for index in range(options.exams)):
        for breast in exam.breasts:
            row = breasts.loc[f"{exam.study_id}_{breast.laterality}"]
            for kind, category in (("mass", "Mass"), ("calcification", "Suspicious Calcification")):
                mine = [finding for finding in breast.findings if category in finding.categories]
                if len(mine) == 1:
                    d, u, v = mine[0].centre
                    rows.append((row[f"{kind}_location"], row[f"{kind}_depth"], d / breast.anatomy.depth, u, v))
    return pd.DataFrame(rows, columns=["location", "depth", "d", "u", "v"])


@pytest.mark.parametrize("words, axis, least", [(("outer", "inner"), "u", 0.98), (("upper", "lower"), "v", 0.92)])
def test_halves_agree_with_the_true_places_of_simulated_findings(single, words, axis, least):
    first, second = (single["location"].str.contains(word, na=False) for word in words)
    said = first | second
    assert said.mean() > 0.5
    assert (first == (single[axis] > 0))[said].mean() >= least


def test_depths_agree_with_the_true_places_of_simulated_findings(single):
    said = single["depth"].notna()
    true = np.array(DEPTHS)[np.digitize(single["d"], [1 / 3, 2 / 3])]
    assert said.mean() > 0.6
    assert (single["depth"] == true)[said].mean() >= 0.9
