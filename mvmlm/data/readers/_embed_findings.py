"""EMBED's findings, one row each, as labels of a breast of an exam.

Codes are those of the release's own legend (``AWS_Open_Data_Clinical_Legend.csv``); which of them make a mass, an
asymmetry, a distortion or a calcification is the rule of its own sample notebook.
"""

from __future__ import annotations

import pandas as pd

from mvmlm.data.intake import Log

BREAST = ["patient_id", "exam_id", "laterality"]
SHAPES = {
    "mass": tuple("GROXNYDL"),
    "asymmetry": tuple("TBSFV"),
    "architectural_distortion": tuple("QA"),
}
MARGINS = {"D": "circumscribed", "U": "obscured", "M": "microlobulated", "I": "indistinct", "S": "spiculated"}
DENSITIES = ("+", "=", "-")

#: Column of the exam table to the published column and what its codes are in BI-RADS terms; a code that says less
#: than a term (generic, benign) is in none.
TERMS: dict[str, tuple[str, dict[str, str]]] = {
    "mass_shape": ("massshape", {"R": "round", "O": "oval", "X": "irregular"}),
    "mass_margin": ("massmargin", MARGINS),
    "mass_density": ("massdens", {"+": "high", "=": "equal", "-": "low", "0": "fat-containing"}),
    "calcification_morphology": (
        "calcfind",
        {
            "A": "amorphous",
            "B": "fine linear or fine-linear branching",
            "C": "coarse or popcorn-like",
            "D": "dystrophic",
            "E": "rim",
            "F": "fine linear or fine-linear branching",
            "H": "coarse heterogeneous",
            "I": "fine pleomorphic",
            "J": "rim",
            "K": "fine pleomorphic",
            "L": "large rod-like",
            "M": "milk of calcium",
            "O": "rim",
            "P": "round",
            "Q": "coarse or popcorn-like",
            "R": "round",
            "S": "skin",
            "U": "suture",
            "V": "vascular",
        },
    ),
    "calcification_distribution": (
        "calcdistri",
        {"C": "grouped", "D": "diffuse", "G": "grouped", "L": "linear", "R": "regional", "S": "segmental"},
    ),
}
WITHOUT_TERM = {"9", "G"}  # benign, generic
BIRADS = {"N": 1, "B": 2, "P": 3, "A": 0, "S": 4, "M": 5, "K": 6}  # from the mildest to the gravest
NEGATIVE = ("N", "B")
TISSUE = {1: "A", 2: "B", 3: "C", 4: "D"}
MALE = 5
FINDING = ("massshape", "massmargin", "massdens", "calcfind", "calcdistri", "calcnumber")
KINDS = (*SHAPES, "calcification")


def on_breasts(findings: pd.DataFrame, log: Log) -> pd.DataFrame:
    """One row a finding and breast: a finding of both sides, or of none named, is on each.

    A bilateral exam whose rows name one side alone implies a negative other one (so does EMBED's own toolkit): it
    gets a row of assessment N.
    """
    side = findings["side"].fillna("B")
    rows = pd.concat([findings[side.isin((s, "B"))].assign(laterality=s) for s in "LR"], ignore_index=True)
    sides = rows.drop_duplicates(BREAST)
    lone = ~sides.duplicated(BREAST[:2], keep=False) & sides["desc"].str.contains(
        "bilat", case=False, na=False
    )
    if not lone.any():
        return rows
    log.note(
        f"{int(lone.sum())} breasts have no row in a bilateral exam that has one of the other: BI-RADS 1"
    )
    other = sides[lone].assign(laterality=sides["laterality"].map({"L": "R", "R": "L"}), asses="N")
    both = pd.concat([rows, other], ignore_index=True)
    both.loc[len(rows) :, list(FINDING)] = None
    return both


def labels(rows: pd.DataFrame, log: Log) -> pd.DataFrame:
    """Labels of each breast of an exam.

    Parameters
    ----------
    rows : DataFrame
        As `on_breasts` returns it.

    Returns
    -------
    DataFrame
        Index `BREAST`; ``birads`` (the gravest assessment: 6, 5, 4, 0, 3, 2, 1), ``density``, the four findings and
        their descriptors, those of the gravest mass and of the gravest calcification.
    """
    grave = rows["asses"].map({code: place for place, code in enumerate(BIRADS)}).astype("Int64")
    rows = rows.assign(grave=grave, number=pd.to_numeric(rows["numfind"], errors="coerce"))
    seen = _seen(rows)
    rows = rows.assign(**seen, silent=~seen.any(axis=1) & ~rows["asses"].isin(NEGATIVE))
    groups = rows.groupby(BREAST)
    found = pd.DataFrame(index=groups.size().index)
    found["birads"] = groups["grave"].max().map(dict(enumerate(BIRADS.values()))).astype("Int64")
    found["density"] = groups["tissueden"].first().map(TISSUE)
    unsaid = groups["silent"].any()
    for kind in KINDS:
        is_there = groups[kind].any().astype("boolean")
        found[kind] = is_there.mask(~is_there & unsaid)
    rows = rows.sort_values(["grave", "number"], ascending=[False, True], kind="stable")
    for kind in ("mass", "calcification"):
        gravest = rows[rows[kind]].drop_duplicates(BREAST).set_index(BREAST)
        for name in (name for name in TERMS if name.startswith(kind)):
            found[name] = gravest[TERMS[name][0]].map(TERMS[name][1])
    _tell_strange(rows, log)
    return found


def _seen(rows: pd.DataFrame) -> pd.DataFrame:
    """Which kinds a row describes; what an assessment of N describes did not hold."""
    found = pd.DataFrame({kind: rows["massshape"].isin(codes) for kind, codes in SHAPES.items()})
    found["mass"] |= rows["massmargin"].isin(MARGINS) | rows["massdens"].isin(DENSITIES)
    many = pd.to_numeric(rows["calcnumber"], errors="coerce") > 0
    found["calcification"] = rows["calcfind"].notna() | rows["calcdistri"].notna() | many
    return found[list(KINDS)].mask(rows["asses"] == "N", False)


def _tell_strange(rows: pd.DataFrame, log: Log) -> None:
    shapes = {code for codes in SHAPES.values() for code in codes}
    legend = {column: {*codes} for column, codes in TERMS.values()} | {
        "massshape": shapes,
        "asses": {*BIRADS, "X"},
    }
    legend["calcfind"] |= WITHOUT_TERM
    for column, known in legend.items():
        strange = rows.loc[rows[column].notna() & ~rows[column].isin(known), column]
        if len(strange):
            log.note(
                f"{len(strange)} cells of {column} are no code of the legend (such as {strange.iloc[0]!r})"
            )
