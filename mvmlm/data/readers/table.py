"""Any CSV or TSV of image paths and labels; its options say which column is what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import pandas as pd

from mvmlm.data.exam_table import DESCRIPTORS, LABELS, malignancy_of_birads
from mvmlm.data.intake import Log
from mvmlm.data.readers import DATASETS, Reader, digest, read_csv
from mvmlm.data.readers.vindr import STATED, VinDr
from mvmlm.errors import DataError
from mvmlm.registry import did_you_mean

#: Exam-table column to the names that CSVs commonly give it; the column's own name comes first.
ALIASES: dict[str, tuple[str, ...]] = {
    "path": ("file", "file_path", "filepath", "image_path", "filename", "file_name"),
    "patient_id": ("patient", "subject_id", "client_id"),
    "laterality": ("side", "breast", "image_laterality"),
    "view": ("view_position", "image_view"),
    "exam_id": ("exam", "study_id", "accession_number", "episode_id"),
    "image_id": ("sop_instance_uid",),
    "split": ("set", "subset"),
    "age": ("patient_age", "age_at_study"),
    "birads": ("breast_birads", "bi_rads", "assessment"),
    "density": ("density_acr", "breast_density", "acr_density"),
    "image_height": ("height", "rows"),
    "image_width": ("width", "columns"),
    "pixel_spacing": (),
    "manufacturer": ("vendor",),
    "event": (),
    "years_to_event": (),
    **{name: () for name in DESCRIPTORS},
    "report": ("findings", "report_text"),
}
REQUIRED = ("path", "patient_id", "laterality", "view")
UNKNOWN = frozenset(("", "_", "-", "?", "unknown", "not stated", "n/a", "na", "nan", "none"))
SIDES = {"LEFT": "L", "RIGHT": "R"}
VIEWS = {"CRANIOCAUDAL": "CC", "CRANIO-CAUDAL": "CC", "MEDIOLATERAL OBLIQUE": "MLO", "MEDIOLATERAL-OBLIQUE": "MLO"}
SPLITS = {"training": "train", "val": "train", "valid": "train", "validation": "train", "testing": "test"}
DENSITIES = {"1": "A", "2": "B", "3": "C", "4": "D"}
TRUE, FALSE = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no")
TABS = (".tsv", ".tab")
_CATEGORIES = r"[0-6][abcABC]?(?:[\s|$/,;&+-]+[0-6][abcABC]?)*"  # one BI-RADS category or several


@dataclass(frozen=True)
class TableOptions:
    """How to read the table.

    Attributes
    ----------
    csv : str
        The table, relative to the root; ``.tsv`` is read by tabs, all else by commas.
    columns : dict
        Exam-table column to the CSV's column; what is not named is looked for under its own name and `ALIASES`.
    where : dict
        CSV column to the value, or list of values, of the rows to keep.
    labels : dict
        Label to ``{column, positive: [...], negative: [...]}``, where a value in neither list is unknown, or to
        ``{column, contains: [...]}``, where a text with any of the words is positive, another text negative and
        an empty one unknown. Case does not matter. A label that is not named is read from a column of its own name
        with 1/0, true/false or yes/no.
    """

    csv: str = "labels.csv"
    columns: dict[str, str] = field(default_factory=dict)
    where: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)


@DATASETS.register("table")
class Table(Reader):
    """Reads images that one table lists, one row a view.

    ``exam_id`` is the patient's, with the table's own number where it has one (numbers may repeat between patients);
    ``image_id`` is the file's stem where the table has none. Of several BI-RADS in one cell (``3|4``, ``5$2``) the
    highest counts, and ``4a`` is 4. ``malignancy`` is what its label says, by pathology; where no label is given for
    it, it is BI-RADS ≥ 4, and unknown for BI-RADS 0. A validation split counts as training: validation patients are
    drawn from it anew.
    """

    Options = TableOptions

    name = "table"
    title = "a table of images and labels"
    licence = "that of the images"
    where = "a folder of yours with images and a CSV that lists them"
    releasable = None
    tasks = VinDr.tasks
    layout = "images, and a table that lists them (data.options.csv)"
    labels: ClassVar[dict[str, str]] = {
        "all": "as data.options.columns and data.options.labels say",
        "malignancy": "where no rule and no column is given for it: BI-RADS 4 to 6",
    }
    report_fields = STATED | set(DESCRIPTORS)
    outcome_fields = frozenset({"malignancy"})

    def rows(self, root: Path, options: TableOptions, log: Log) -> pd.DataFrame:
        source = _Source(root, options)
        given = {name: source.column(name) for name in ALIASES}
        given = {name: values for name, values in given.items() if values is not None}
        table = pd.DataFrame({name: _READ[name](values, source) for name, values in given.items()})
        table["dataset"] = self.name
        patient = table["patient_id"]
        table["exam_id"] = patient.str.cat(table["exam_id"], sep="_") if "exam_id" in table else patient
        if "image_id" not in table:
            table["image_id"] = _stems(table["path"], source)
        table["breast_id"] = table["exam_id"].str.cat(table["laterality"], sep="_")
        for label in LABELS:
            table[label] = source.label(label)
        table["malignancy_source"] = "pathology"
        if not source.gives("malignancy") and "birads" in table:
            table["malignancy"] = malignancy_of_birads(table["birads"])
            table["malignancy_source"] = "birads"
        table["malignancy_source"] = table["malignancy_source"].where(table["malignancy"].notna())
        return table

    @classmethod
    def fingerprint(cls, root: Path | None, options: TableOptions | None = None) -> str:
        root, options = Path(root), options or TableOptions()
        source = _Source(root, options)
        listed = {root / path for path in _paths(source.column("path"), source).dropna()}
        return digest(root, [source.path], (path for path in listed if path.is_file()), options)


class _Source:
    """The chosen rows of the CSV as text, and where each exam-table column is in it."""

    def __init__(self, root: Path, options: TableOptions) -> None:
        self.root, self.path = root, root / options.csv
        _check("columns", options.columns, ALIASES, str)
        _check("labels", options.labels, LABELS, Mapping)
        if not root.is_dir():
            raise DataError(f"{root}: no such folder; data.root must be the folder that holds {options.csv}")
        if not self.path.is_file():
            raise DataError(f"{self.path}: no such file; name the table with data.options.csv, relative to data.root")
        self.options = options
        named = [options.columns.get(name) or self._found(name) or name for name in REQUIRED]
        said = [*options.columns.values(), *options.where, *(_of(options.labels[k], k) for k in options.labels)]
        rows = read_csv(self.path, (*said, *named), **self._format())
        rows = rows.apply(lambda values: values.str.strip())
        self.rows = rows[self._chosen(rows)].reset_index(drop=True)

    def column(self, name: str) -> pd.Series | None:
        """Text of an exam-table column, NA where unknown; None where the CSV lacks it."""
        found = self.options.columns.get(name) or self._found(name)
        return None if found is None else self.text(found)

    def text(self, column: str) -> pd.Series:
        """Text of a column of the CSV, NA where it says that it is unknown."""
        values = self.rows[column].astype("string")
        return values.mask(values.str.casefold().isin(UNKNOWN))

    def gives(self, label: str) -> bool:
        """Whether a rule or a column of its own gives a label."""
        return label in self.options.labels or label in self.rows

    def label(self, name: str) -> pd.Series:
        """A label as nullable booleans; all unknown where nothing gives it."""
        if not self.gives(name):
            return pd.Series(pd.NA, index=self.rows.index, dtype="boolean")
        rule = self.options.labels.get(name) or {"column": name, "positive": TRUE, "negative": FALSE}
        values = self.text(rule["column"]).str.casefold()
        if "contains" in rule:
            found = pd.Series(False, index=values.index, dtype="boolean").mask(values.isna())
            for word in _words(rule["contains"]):
                found |= values.str.contains(word, regex=False)
            return found
        positive, negative = _words(rule["positive"]), _words(rule["negative"])
        found = values.isin(positive).astype("boolean").where(values.isin([*positive, *negative]), pd.NA)
        if len(found) and found.isna().all() and values.notna().any():
            raise DataError(
                f"{self.path}: column {rule['column']!r} has none of the values of label {name!r} "
                f"(it has: {_some(values)})"
            )
        return found

    def fail(self, name: str, bad: pd.Series, expected: str) -> DataError:
        """The error for cells that cannot be read."""
        return DataError(f"{self.path}: {name}: {len(bad)} cells are not {expected} (such as {_some(bad)})")

    def _format(self) -> dict[str, Any]:
        return {"dtype": str, "sep": "\t" if self.path.suffix.lower() in TABS else ","}

    def _found(self, name: str) -> str | None:
        head = read_csv(self.path, (), nrows=0, **self._format())
        by_name = {str(column).strip().casefold(): str(column) for column in reversed(list(head.columns))}
        return next((by_name[alias] for alias in (name, *ALIASES[name]) if alias in by_name), None)

    def _chosen(self, rows: pd.DataFrame) -> pd.Series:
        chosen = pd.Series(True, index=rows.index)
        for column, value in self.options.where.items():
            text = rows[column].str.casefold()
            chosen &= text.isin(_words(value))
            if not chosen.any():
                raise DataError(
                    f"{self.path}: data.options.where leaves no row at {column!r} (it has: {_some(rows[column])})"
                )
        return chosen


def _check(option: str, given: Mapping[str, Any], known: Iterable[str], kind: type) -> None:
    for name, value in given.items():
        if name not in known:
            raise DataError(
                f"data.options.{option}: {name!r} is no such column{did_you_mean(name, known)} "
                f"(known: {', '.join(known)})"
            )
        if not isinstance(value, kind):
            wanted = "a CSV column" if kind is str else "{column, positive, negative} or {column, contains}"
            raise DataError(f"data.options.{option}.{name}: expected {wanted}, got {value!r}")


def _of(rule: Mapping[str, Any], label: str) -> str:
    """The CSV column of a label's rule, once the rule is seen to be whole."""
    if set(rule) not in ({"column", "positive", "negative"}, {"column", "contains"}):
        raise DataError(
            f"data.options.labels.{label}: expected {{column, positive, negative}} or {{column, contains}}, "
            f"got the keys {', '.join(map(str, rule)) or 'of nothing'}"
        )
    return rule["column"]


def _words(value: Any) -> list[str]:
    return [str(v).strip().casefold() for v in (value if isinstance(value, list | tuple) else [value])]


def _some(values: pd.Series) -> str:
    return ", ".join(repr(str(v)) for v in values.dropna().unique()[:5]) or "nothing"


def _text(values: pd.Series, source: _Source) -> pd.Series:
    return values


def _paths(values: pd.Series, source: _Source) -> pd.Series:
    """Paths relative to the root, with forward slashes; one that leads out stays as it is, to be set aside."""

    def relative(text: str) -> str:
        path = PurePosixPath(text.replace("\\", "/"))
        root = PurePosixPath(source.root.as_posix())
        if path.is_absolute() and path.is_relative_to(root):
            path = path.relative_to(root)
        return path.as_posix()

    return values.map(relative, na_action="ignore")


def _stems(paths: pd.Series, source: _Source) -> pd.Series:
    stems = paths.map(lambda path: PurePosixPath(path).stem, na_action="ignore")
    twice = stems[stems.notna() & stems.duplicated(keep=False)]
    if len(twice):
        raise DataError(
            f"{source.path}: {len(twice)} files share their name with another (such as {_some(twice)}); "
            "say which column tells images apart with data.options.columns.image_id"
        )
    return stems


def _laterality(values: pd.Series, source: _Source) -> pd.Series:
    return values.str.upper().replace(SIDES)


def _view(values: pd.Series, source: _Source) -> pd.Series:
    return values.str.upper().replace(VIEWS)


def _split(values: pd.Series, source: _Source) -> pd.Series:
    return values.str.lower().replace(SPLITS)


def _birads(values: pd.Series, source: _Source) -> pd.Series:
    """The highest category of a cell."""
    plain = values.str.replace(r"(?i)bi-?rads[\s:_-]*", "", regex=True).str.replace(r"\.0\b", "", regex=True)
    bad = values[plain.notna() & ~plain.str.fullmatch(_CATEGORIES).fillna(True)]
    if len(bad):
        raise source.fail("birads", bad, "BI-RADS categories 0 to 6")
    highest = plain.str.findall(r"[0-6]").map(lambda found: max(map(int, found)), na_action="ignore")
    return highest.astype("Int64")


def _density(values: pd.Series, source: _Source) -> pd.Series:
    letters = values.str.upper().str.replace(r"^(?:ACR|DENSITY|BI-?RADS)\s*", "", regex=True)
    return letters.str.replace(r"\.0$", "", regex=True).replace(DENSITIES)


def _flag(values: pd.Series, source: _Source) -> pd.Series:
    lower = values.str.casefold()
    bad = values[values.notna() & ~lower.isin([*TRUE, *FALSE])]
    if len(bad):
        raise source.fail(str(values.name), bad, "yes or no")
    return lower.isin(TRUE).astype("boolean").mask(lower.isna())


def _number(values: pd.Series, source: _Source) -> pd.Series:
    """Numbers; an age as DICOM writes it (``045Y``) is one."""
    numbers = pd.to_numeric(values.str.replace(r"(?i)\s*y(?:ears)?$", "", regex=True), errors="coerce")
    bad = values[values.notna() & numbers.isna()]
    if len(bad):
        raise source.fail(str(values.name), bad, "numbers")
    return numbers.astype("Float64")


#: Exam-table column to what turns its text into its values.
_READ = {
    **dict.fromkeys(ALIASES, _text),
    **dict.fromkeys(("age", "image_height", "image_width", "pixel_spacing", "years_to_event"), _number),
    "path": _paths,
    "laterality": _laterality,
    "view": _view,
    "split": _split,
    "birads": _birads,
    "density": _density,
    "event": _flag,
}
