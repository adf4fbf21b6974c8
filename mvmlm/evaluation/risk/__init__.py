"""Risk: time to cancer from features, and the metrics of it. Importing this package registers the protocol."""

from mvmlm.evaluation.risk import protocol

__all__ = ["protocol"]
