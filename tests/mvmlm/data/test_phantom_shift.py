"""Options that shift the domain, for all three layouts: each changes what it says and nothing else."""

from __future__ import annotations

import hashlib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from mvmlm.data.phantom import PhantomEmbedOptions, PhantomOptions, PhantomRsnaOptions
from mvmlm.data.phantom.equipment import EQUIPMENT
from mvmlm.data.phantom.options import SimulationOptions
from mvmlm.data.phantom.records import Exam, simulate_exam
from mvmlm.data.phantom.render import Rendered, render_breast
from mvmlm.data.phantom.write import LAYOUTS, generate, write_exam
from mvmlm.data.readers import DATASETS
from mvmlm.errors import ConfigError

KINDS = (PhantomOptions, PhantomRsnaOptions, PhantomEmbedOptions)
SMALL = {"exams": 3, "height": 96, "width": 72, "seed": 3}
SHIFTS = ("vendors", "noise", "contrast", "prevalence")


def all_kinds(test):
    return pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.layout)(test)


def digests(folder: Path) -> dict[str, str]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def told(exam: Exam, *, but_machine: bool = False) -> str:
    """All that the records say of an exam, as text."""
    return repr(replace(exam, equipment=EQUIPMENT["A"]) if but_machine else exam)


def rendered(exam: Exam, **look: float) -> list[Rendered]:
    return [one for breast in exam.breasts for one in render_breast(breast, 2.0, 4.0, **look)]


@all_kinds
def test_the_same_options_give_the_same_bytes_whatever_the_workers(kind, tmp_path):
    options = kind(**SMALL)
    generate(tmp_path / "one", options)
    generate(tmp_path / "two", options, workers=2)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert len(digests(tmp_path / "one")) > 8


def test_no_two_layouts_share_a_woman():
    drawn = [simulate_exam(kind(**SMALL), 0) for kind in KINDS]
    assert len({exam.study_id for exam in drawn}) == 3
    assert len({exam.breasts[0].anatomy.depth for exam in drawn}) == 3


@all_kinds
@pytest.mark.parametrize(("name", "value"), [("noise", 3.0), ("contrast", 0.5)])
def test_noise_and_contrast_leave_all_records_and_tables_alone(kind, name, value, tmp_path):
    plain, shifted = kind(**SMALL), kind(**SMALL, **{name: value})
    layout = LAYOUTS[kind.layout]
    assert told(layout.simulate(plain, 1).exam) == told(layout.simulate(shifted, 1).exam)
    rows = [write_exam(tmp_path / str(n), options, 1) for n, options in enumerate((plain, shifted))]
    assert rows[0] == rows[1]
    one, other = (digests(tmp_path / str(n)) for n in range(2))
    assert set(one) == set(other) and not set(one.values()) & set(other.values())


def test_noise_is_stronger_by_its_factor_and_boxes_stay():
    exam = simulate_exam(PhantomOptions(exams=1, height=160, width=128, mass_rate=1.0), 0)
    none, one, two = (rendered(exam, noise=factor) for factor in (0.0, 1.0, 2.0))
    for still, noisy, noisier in zip(none, one, two):
        assert [box for _, box in still.boxes] == [box for _, box in noisier.boxes]
        linear = still.picture < 0.5
        first = (noisy.picture - still.picture)[linear]
        second = (noisier.picture - still.picture)[linear]
        assert first.std() > 0
        assert second.std() / first.std() == pytest.approx(2.0, rel=0.05)


def test_contrast_spreads_tissue_and_boxes_stay():
    exam = simulate_exam(PhantomOptions(exams=1, height=160, width=128), 0)
    flat, plain, steep = (rendered(exam, contrast=factor, noise=0.0) for factor in (0.5, 1.0, 1.5))
    for low, middle, high in zip(flat, plain, steep):
        assert np.nanstd(low.picture) < np.nanstd(middle.picture) < np.nanstd(high.picture)
        assert [box for _, box in low.boxes] == [box for _, box in high.boxes]


@all_kinds
def test_vendors_change_the_machine_alone(kind):
    layout = LAYOUTS[kind.layout]
    options = kind(**SMALL | {"exams": 30})
    used = set()
    for index in range(30):
        one = layout.simulate(replace(options, vendors="A,B,C"), index).exam
        other = layout.simulate(replace(options, vendors=["D"]), index).exam
        assert told(one, but_machine=True) == told(other, but_machine=True)
        assert other.equipment.model == EQUIPMENT["D"].model
        used.add(one.equipment.manufacturer[-1])
    assert used <= set("ABC")


def test_a_choice_of_machines_uses_all_of_them():
    options = PhantomOptions(exams=60, vendors="E, A")
    used = {simulate_exam(options, index).equipment.manufacturer for index in range(60)}
    assert used == {"Simulated A", "Simulated E"}


def test_prevalence_scales_lesions_and_leaves_the_women_alone():
    few, many = PhantomOptions(exams=400, prevalence=0.5), PhantomOptions(exams=400, prevalence=2.0)
    found = {few: [], many: []}
    for index in range(400):
        one, other = (simulate_exam(options, index) for options in (few, many))
        assert (one.age, one.density, one.equipment) == (other.age, other.density, other.equipment)
        assert [b.anatomy for b in one.breasts] == [b.anatomy for b in other.breasts]
        assert [b.views for b in one.breasts] == [b.views for b in other.breasts]
        for options, exam in ((few, one), (many, other)):
            found[options] += [any(f.categories[:1] == ("Mass",) for f in b.findings) for b in exam.breasts]
    assert np.mean(found[few]) == pytest.approx(0.15, abs=0.03)
    assert np.mean(found[many]) == pytest.approx(0.60, abs=0.04)


def test_the_other_layouts_are_shifted_by_default():
    plain = PhantomOptions()
    for kind in (PhantomRsnaOptions, PhantomEmbedOptions):
        shifted = kind()
        assert all(getattr(shifted, name) != getattr(plain, name) for name in (*SHIFTS, "density_shares"))


def test_the_phantom_s_fingerprints_are_those_of_its_first_results():
    assert (
        PhantomOptions().fingerprint() == "4febd612bf56dbafad70a9729dec40f200444a3f55f0f0e47d0469ad90c7bf17"
    )
    assert PhantomOptions(vendors="A,B,C", noise=1).fingerprint() == PhantomOptions().fingerprint()


def test_the_phantom_s_identifiers_are_those_of_its_first_results():
    exam = simulate_exam(PhantomOptions(), 0)
    assert exam.study_id == hashlib.sha256(b"phantom/0/study/0").hexdigest()[:32]
    assert exam.breasts[1].views[1].image_id == hashlib.sha256(b"phantom/0/image/0/1/1").hexdigest()[:32]


def test_the_phantom_s_records_are_those_of_its_first_results():
    exams = [simulate_exam(PhantomOptions(), index) for index in range(6)]
    assert [(e.age, e.density, e.equipment.model[8:], *(b.birads for b in e.breasts)) for e in exams] == [
        (53, "C", "A1", 5, 1), (59, "C", "C3", 1, 5), (32, "C", "B7", 3, 1),
        (51, "B", "B7", 5, 1), (73, "C", "C3", 4, 4), (54, "B", "C3", 1, 1),
    ]  # fmt: skip


@all_kinds
def test_every_option_changes_the_fingerprint(kind):
    base = kind()
    changed = {
        "exams": 201, "seed": 1, "height": 656, "width": 520, "bits": 14, "mass_rate": 0.4,
        "calcification_rate": 0.4, "asymmetry_rate": 0.4, "distortion_rate": 0.4, "benign_rate": 0.4,
        "mass_contrast": 1.0, "calcification_contrast": 1.0, "density_shares": (0.25, 0.25, 0.25, 0.25),
        "vendors": "B", "noise": 1.5, "contrast": 1.5, "prevalence": 1.1,
    }  # fmt: skip
    changed |= {
        "vindr": {"test_share": 0.3},
        "embed": {"exams_per_patient": 2.0, "follow_up_years": 3.0, "cancer_odds": 2.0, "doubling_days": 400.0},
    }.get(kind.layout, {})
    assert set(changed) == {field.name for field in fields(kind)}
    prints = [replace(base, **{name: value}).fingerprint() for name, value in changed.items()]
    assert len({base.fingerprint(), *prints}) == 1 + len(changed)


def test_layouts_with_the_same_options_have_different_fingerprints():
    plain = {name: getattr(PhantomOptions(), name) for name in (f.name for f in fields(SimulationOptions))}
    assert len({kind(**plain).fingerprint() for kind in KINDS}) == 3


@pytest.mark.parametrize(
    ("kind", "options", "says"),
    [
        (
            PhantomOptions,
            {"vendors": "A,F"},
            "vendors: 'A,F' is no choice of machines; name some of A, B, C, D, E",
        ),
        (PhantomOptions, {"vendors": ""}, "vendors"),
        (PhantomRsnaOptions, {"vendors": ("A", "A")}, "vendors"),
        (PhantomRsnaOptions, {"vendors": 3}, "vendors"),
        (PhantomOptions, {"noise": -0.1}, "noise"),
        (PhantomEmbedOptions, {"noise": "loud"}, "noise"),
        (PhantomOptions, {"contrast": 11}, "contrast"),
        (PhantomOptions, {"prevalence": 4.0}, "prevalence: 4 times a rate of 0.3 is above 1"),
        (PhantomRsnaOptions, {"prevalence": None}, "prevalence"),
        (PhantomEmbedOptions, {"exams_per_patient": 0.5}, "exams_per_patient"),
        (PhantomEmbedOptions, {"follow_up_years": 0}, "follow_up_years"),
        (PhantomEmbedOptions, {"follow_up_years": True}, "follow_up_years"),
        (PhantomRsnaOptions, {"exams": 0}, "exams"),
    ],
)
def test_an_impossible_option_is_named_in_one_line(kind, options, says):
    with pytest.raises(ConfigError, match=f"phantom option {says}") as caught:
        kind(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["phantom_rsna", "phantom_embed"])
def test_layouts_without_a_split_have_no_share_of_it(name):
    assert "test_share" not in {field.name for field in fields(DATASETS.get(name).Options)}


@pytest.mark.parametrize("name", ["phantom", "phantom_rsna", "phantom_embed"])
def test_fingerprint_needs_no_files(name):
    reader = DATASETS.get(name)
    assert reader.fingerprint(None, reader.Options()) == reader.Options().fingerprint()
