"""How few distinct reports a large data set has: what is written and encoded once instead of once a view.

    python -m tests.benchmarks report_dedupe

5,000 simulated exams with VinDr-Mammo's frequencies of density and findings (10,000 breasts, 20,000 views); no image
is rendered. Counts, not times: they do not depend on the machine.
"""

from __future__ import annotations

EXAMS = 5000
#: Shares of breasts with a finding and of women with a density in VinDr-Mammo's published tables.
RATES = {
    "mass_rate": 0.0609,
    "calcification_rate": 0.0229,
    "asymmetry_rate": 0.0243,
    "distortion_rate": 0.0065,
    "density_shares": (0.005, 0.095, 0.765, 0.135),
}
SEEN = ["mass", "calcification", "asymmetry", "architectural_distortion", "birads", "density"]
CHOICES = {"findings, BI-RADS, density": SEEN, "and age": [*SEEN, "age"]}


def main() -> None:
    """Count records and texts."""
    from mvmlm.reports.source import Case, Draw
    from mvmlm.reports.write import make_source

    rows = breasts()
    print(f"{EXAMS:,} exams, {len(rows):,} breasts, {2 * len(rows):,} views")
    print(f"{'fields':30s} {'records':>8s} {'views a record':>15s} {'×4 paraphrased':>15s} {'texts a view':>13s}")
    for name, fields in CHOICES.items():
        records = list(dict.fromkeys(_record(row, fields) for row in rows))
        draws = [Draw(Case(record), sample) for sample in range(4) for record in records]
        texts = len(set(make_source("paraphrase").write(draws)))
        views = 2 * len(rows)
        print(f"{name:30s} {len(records):8,d} {views / len(records):15.1f} {texts:15,d} {texts / views:13.3f}")


def _record(row: dict, fields: list[str]):
    from mvmlm.reports.record import record_from_breast

    return record_from_breast({name: row[name] for name in fields}, fields)


def breasts() -> list[dict]:
    """What is known of each simulated breast, without its images."""
    from mvmlm.data.phantom.options import PhantomOptions
    from mvmlm.data.phantom.records import simulate_exam

    options = PhantomOptions(exams=EXAMS, **RATES)
    rows = []
    for index in range(EXAMS):
        exam = simulate_exam(options, index)
        for breast in exam.breasts:
            marked = " ".join(name for finding in breast.findings if finding.boxed for name in finding.categories)
            rows.append(
                {
                    "density": exam.density,
                    "age": exam.age if exam.age_known else None,
                    "birads": breast.birads,
                    "mass": "Mass" in marked,
                    "calcification": "Calcification" in marked,
                    "asymmetry": "Asymmetry" in marked,
                    "architectural_distortion": "Architectural Distortion" in marked,
                }
            )
    return rows
