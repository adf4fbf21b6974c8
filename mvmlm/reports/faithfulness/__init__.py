"""Whether a text is true to its record: read back by rules, compared, and cleaned."""

from mvmlm.reports.faithfulness.check import Verdict, check
from mvmlm.reports.faithfulness.clean import Cleaned, clean
from mvmlm.reports.faithfulness.extract import Claims, extract

__all__ = ["Claims", "Cleaned", "Verdict", "check", "clean", "extract"]
