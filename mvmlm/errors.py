"""Errors that a user can act on. Each message is one line: what is wrong, where, and what to do."""


class MvmlmError(Exception):
    """Base of every error that is meant for a user rather than for a developer."""


class ConfigError(MvmlmError):
    """A name or a value in the configuration cannot be used."""


class DataError(MvmlmError):
    """A data set, a table or a file cannot be used as it is."""


class TrainingError(MvmlmError):
    """A training cannot go on."""
