"""Counts by name, against a loop over the rows."""

from __future__ import annotations

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from mvmlm.data.counts import counts
from mvmlm.data.exam_table import validate

row = st.fixed_dictionaries(
    {
        "patient": st.integers(0, 4),
        "laterality": st.sampled_from("LR"),
        "view": st.sampled_from(("CC", "MLO", "ML")),
        "mass": st.sampled_from((True, False, None)),
        "density": st.sampled_from(("A", "B", None)),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(row, min_size=1, max_size=25))
def test_counts_are_those_of_a_plain_loop(given_rows):
    table = [
        {
            "dataset": "set",
            "patient_id": f"p{r['patient']}",
            "exam_id": f"p{r['patient']}",
            "breast_id": f"p{r['patient']}_{r['laterality']}",
            "image_id": f"i{i}",
            "laterality": r["laterality"],
            "view": r["view"],
            "path": f"{i}.png",
            "split": "test" if r["patient"] > 2 else "train",
            "mass": r["mass"],
            "density": r["density"],
        }
        for i, r in enumerate(given_rows)
    ]
    found = counts(validate(pd.DataFrame(table)))
    for split in ("", "train", "test"):
        mine = [r for r in table if split in ("", r["split"])]
        before = f"{split} " if split else ""
        for unit, column in (("images", "image_id"), ("breasts", "breast_id"), ("patients", "patient_id")):
            assert found.get(f"{before}{unit}", 0) == len({r[column] for r in mine})
            positive = {r[column] for r in mine if r["mass"]}
            assert found.get(f"{before}mass {unit}", 0) == len(positive)
            known = {r[column] for r in mine if r["mass"] is not None}
            assert found.get(f"{before}known mass {unit}", 0) == len(known)
            dense = {r[column] for r in mine if r["density"] == "B"}
            assert found.get(f"{before}density B {unit}", 0) == len(dense)
