"""Tables that are published as a spreadsheet (.xlsx or .xls)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from mvmlm.data.readers import with_columns
from mvmlm.errors import DataError


def read_sheet(path: Path, columns: Iterable[str], sheet: str | None = None) -> pd.DataFrame:
    """One sheet whose columns are checked; its first row names them.

    Parameters
    ----------
    columns : iterable of str
        Columns that must be there.
    sheet : str, optional
        Its name; without it, the first sheet.

    Returns
    -------
    DataFrame
        Cells of the types that they have in the spreadsheet.

    Raises
    ------
    DataError
        When it is not there, is no spreadsheet, or lacks the sheet or a column.
    """
    from python_calamine import CalamineError

    try:
        table = pd.read_excel(path, sheet_name=0 if sheet is None else sheet, engine="calamine")
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file; data.root must be the folder as it was published") from error
    except (ValueError, OSError, CalamineError) as error:
        raise DataError(f"{path}: is no table ({' '.join(str(error).split())[:120]})") from error
    return with_columns(table, path, columns)
