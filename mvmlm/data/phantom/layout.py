"""What a published layout has to say for itself, so that one loop writes every one of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from mvmlm.data.phantom.options import SimulationOptions
from mvmlm.data.phantom.records import Breast, Exam
from mvmlm.data.phantom.render import Rendered
from mvmlm.data.phantom.views import View

if TYPE_CHECKING:
    from pydicom.dataset import FileDataset

#: Table, and one of its rows.
Row = tuple[str, tuple]
Box = tuple[float, float, float, float]


class HasExam(Protocol):
    """Whatever a layout knows of an exam beside its images."""

    @property
    def exam(self) -> Exam: ...


Case = TypeVar("Case", bound=HasExam)


class Layout(ABC, Generic[Case]):
    """One published layout.

    Attributes
    ----------
    tables : dict
        Path of each table, relative to the root, to its columns.
    """

    tables: ClassVar[dict[str, tuple[str, ...]]]

    @abstractmethod
    def simulate(self, options: SimulationOptions, index: int) -> Case:
        """Exam number ``index``, 0 to ``options.exams - 1``."""

    @abstractmethod
    def path(self, case: Case, breast: Breast, view: View) -> PurePosixPath:
        """Where the image lies, relative to the root."""

    def pictures(
        self, case: Case, breast: Breast, rendered: Iterable[Rendered]
    ) -> Iterator[tuple[View, Rendered]]:
        """The images of a breast: its views, and what is made of them."""
        yield from zip(breast.views, rendered)

    def finish(self, case: Case, view: View, file: FileDataset) -> None:
        """What the set's files say or hold that others do not; nothing by default."""

    @abstractmethod
    def image_rows(
        self, case: Case, breast: Breast, view: View, rendered: Rendered, file: FileDataset
    ) -> Iterable[Row]:
        """Rows of the tables that an image adds."""

    def exam_rows(self, case: Case) -> Iterable[Row]:
        """Rows of the tables that the exam itself adds; none by default."""
        return ()


def as_stored(marked: Box, laterality: str, width: int) -> Box:
    """A box of a rendered picture [pixels] in the written one: right breasts are mirrored."""
    x0, y0, x1, y1 = marked
    return (x0, y0, x1, y1) if laterality == "L" else (width - x1, y0, width - x0, y1)
