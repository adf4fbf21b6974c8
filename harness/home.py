"""Where a project keeps what it makes: one folder, ``.harness`` unless told otherwise."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mvmlm.errors import ConfigError

HOME_VARIABLE = "MVMLM_HOME"


@dataclass(frozen=True)
class Home:
    """Folders under one root, all absolute.

    Attributes
    ----------
    root : Path
        ``--home``, else ``$MVMLM_HOME``, else ``.harness`` in the working directory.
    """

    root: Path

    @classmethod
    def find(cls, given: str | None = None) -> Home:
        """The home that a command should use."""
        return cls(Path(given or os.environ.get(HOME_VARIABLE) or ".harness").expanduser().absolute())

    @property
    def store(self) -> Path:
        """Published stages: ``<stage>/<key>/``."""
        return self.root / "store"

    @property
    def work(self) -> Path:
        """Unfinished work that a later run goes on from, such as checkpoints: ``<key>/``."""
        return self.root / "work"

    @property
    def prepared(self) -> Path:
        """One file a store that ``data prepare`` made, named by its key: ``clean`` leaves those alone."""
        return self.root / "prepared"

    @property
    def answers(self) -> Path:
        """What language models answered, by model and sampling: shared by all runs, and asked for once."""
        return self.root / "answers"

    @property
    def logs(self) -> Path:
        """One text file a failed stage, with its traceback."""
        return self.root / "logs"

    @property
    def tracking_uri(self) -> str:
        """``$MLFLOW_TRACKING_URI`` where set (a team's server), else a SQLite file in this home."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.root / 'mlflow.db'}"

    @property
    def artifacts(self) -> Path:
        """MLflow's artifact root for experiments that this home creates."""
        return self.root / "artifacts"

    def check_writable(self) -> None:
        """Make the folder.

        Raises
        ------
        ConfigError
            When it cannot be made or written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{self.root}: cannot be made ({error.strerror}); choose another with --home"
            ) from error
        if not os.access(self.root, os.W_OK):
            raise ConfigError(f"{self.root}: cannot be written; choose another folder with --home")
