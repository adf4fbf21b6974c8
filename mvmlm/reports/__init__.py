"""Reports: text made from the structured annotations of one breast."""

from mvmlm.reports.source import SOURCES, Source
from mvmlm.reports.write import write_reports

__all__ = ["SOURCES", "Source", "write_reports"]
