"""What protocols share that train nothing: the test breasts, and their views' embeddings.

No label of a training breast is read, so that the share of labels and the seed that draws it change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mvmlm.data.splits import has_standard_view
from mvmlm.errors import DataError

#: Standard views, in the order in which features have them.
VIEWS = ("cc", "mlo")


@dataclass(frozen=True, eq=False)
class Tested:
    """Test breasts.

    Attributes
    ----------
    rows : DataFrame
        Of the breast table, sorted by ``breast_id``, with ``row``: the position in that table.
    dropped : dict
        Test breasts left out, by reason.
    """

    rows: pd.DataFrame
    dropped: dict[str, int]


def select_tested(breasts: pd.DataFrame, has: np.ndarray, what: str) -> Tested:
    """Test breasts with a usable standard view and what the protocol compares with: those of all other protocols.

    Parameters
    ----------
    has : ndarray, shape (n_breasts,), bool
        Who has a label, or a report.
    what : str
        ``label`` or ``report``.
    """
    testing = (breasts["split"] == "test").fillna(False).to_numpy(dtype=bool)
    seen = has_standard_view(breasts)
    rows = breasts.assign(row=np.arange(len(breasts)))[testing & has & seen]
    dropped = {
        f"test: no {what}": int((testing & ~has).sum()),
        "test: no usable standard view": int((testing & has & ~seen).sum()),
    }
    return Tested(rows.sort_index(kind="stable"), dropped)


def view_embeddings(features: np.ndarray, tested: Tested) -> np.ndarray:
    """Embeddings of the test breasts' views, shape (n_test, 2, E), float64; NaN where a view is missing.

    Parameters
    ----------
    features : array, shape (n_breasts, 2, E)
        CC and MLO of every row of the breast table.

    Raises
    ------
    DataError
        If an embedding is not finite although there is an image.
    """
    mine = np.asarray(features, np.float64)[tested.rows["row"]]
    there = (tested.rows[[*VIEWS]] >= 0).to_numpy()
    broken = (there & ~np.isfinite(mine).all(axis=2)).any(axis=1)
    if broken.any():
        raise DataError(
            f"embeddings of {broken.sum()} of {len(mine)} test breasts are not finite although they have images "
            f"(such as {tested.rows.index[broken][0]}): the encoder diverged, train again with a smaller train.lr"
        )
    return np.where(there[..., None], mine, np.nan)
