"""Columns of EMBED's two tables, and a simulated finding in the codes of its clinical one.

Codes are those of the release's own legend: mass shape R round, O oval, X irregular, F focal asymmetry, A architectural
distortion; margin D circumscribed, I indistinct, S spiculated; calcifications P punctate, I fine pleomorphic, F fine
linear, C coarse; distribution G grouped, L linear; severity 0 invasive, 1 in situ, 2 high risk, 3 borderline, 4 benign.
"""

from __future__ import annotations

import numpy as np

from mvmlm.data.phantom.findings import Finding

CLINICAL = (
    "empi_anon", "acc_anon", "study_date_anon", "desc", "tissueden", "asses", "numfind", "side",
    "total_l_find", "total_r_find", "massshape", "massmargin", "massdens", "calcfind", "calcdistri", "calcnumber",
    "bside", "procdate_anon", "type", *(f"path{n}" for n in range(1, 11)), "path_severity",
    "RACE_DESC", "ETHNIC_GROUP_DESC", "age_at_study", "cohort_num",
)  # fmt: skip
METADATA = (
    "empi_anon", "acc_anon", "cohort_num", "anon_dicom_path", "png_path", "png_filename", "study_date_anon",
    "StudyDescription", "SeriesDescription", "FinalImageType", "ImageLateralityFinal", "ViewPosition", "spot_mag",
    "num_roi", "ROI_coords", "SRC_DST", "match_level", "Manufacturer", "ManufacturerModelName", "Rows", "Columns",
    "BreastImplantPresent",
)  # fmt: skip

#: Form to massshape, massmargin, massdens.
_MASSES = {
    "round": ("R", "D", "="),
    "indistinct": ("O", "I", "="),
    "spiculated": ("X", "S", "+"),
    "asymmetry": ("F", "", ""),
    "distortion": ("A", "", ""),
}
#: Form to calcfind, calcdistri.
_CLUSTERS = {"punctate": ("P", "G"), "pleomorphic": ("I", "G"), "linear": ("F", "L"), "coarse": ("C", "")}
#: A third axis below this share of the first makes a round mass an oval one.
_OVAL = 0.8


def described(finding: Finding) -> dict[str, object]:
    """The cells that describe a finding."""
    cells: dict[str, object] = {}
    if finding.form in _MASSES:
        shape, margin, density = _MASSES[finding.form]
        lengths = np.linalg.norm(finding.axes, axis=1)
        if shape == "R" and lengths[2] < _OVAL * lengths[0]:
            shape = "O"
        cells |= {"massshape": shape, "massmargin": margin, "massdens": density}
    if len(finding.grains):
        form = finding.form if finding.form in _CLUSTERS else "pleomorphic"
        cells |= dict(zip(("calcfind", "calcdistri"), _CLUSTERS[form]), calcnumber=len(finding.grains))
    return cells
