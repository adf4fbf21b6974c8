"""One arm's study: Optuna samples and prunes, a journal on disk remembers, and a killed study ends up the same.

Every trial's sampler starts from (seed, trial number) and the trials before it, and a trial's settings reach the
journal in one record: what is tried depends on settings and scores alone, however often the study was interrupted.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from mvmlm.errors import ConfigError, DataError, MvmlmError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.storages import JournalStorage
    from optuna.trial import FrozenTrial, Trial

log = logging.getLogger("harness")

JOURNAL = "study.journal"
STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


class Attempt:
    """One trial, as the work that scores it sees it.

    Attributes
    ----------
    number : int
        From 0.
    settings : dict
        Dotted path to the value that is tried.
    pruned : bool
        Whether the last look ended it.
    """

    def __init__(self, trial: Trial, looks: dict[int, float]) -> None:
        self.number, self.settings = trial.number, dict(trial.params)
        self._trial, self._seen = trial, set(looks)
        self.pruned = bool(looks) and trial.should_prune()

    def seen(self, number: int) -> bool:
        """Whether a look was taken, now or by a process that was interrupted."""
        return number in self._seen

    def look(self, number: int, score: float) -> None:
        """Hand over the score at look ``number``, from 1; one number is about the same share of every training."""
        self._trial.report(score, number)
        self._seen.add(number)
        self.pruned = self._trial.should_prune()


def run_study(
    said: dict, work: Path, score: Callable[[Attempt], float], on_trial: Callable[[list[dict]], None] = lambda _: None
) -> list[dict]:
    """Run the trials that are missing, one after the other.

    Parameters
    ----------
    said : dict
        ``trials, space, sampler, pruner, startup, seed``; ``space`` as :func:`harness.search_space.resolved` gives it.
    work : Path
        Holds the journal.
    score : callable
        Does a trial and returns its score, larger being better; that of a pruned one is not read. An `MvmlmError`
        but a `DataError` fails the trial, which counts as one of ``trials``; any other error ends the study.
    on_trial : callable
        Gets the records of all ended trials whenever one has ended.

    Returns
    -------
    list of dict
        A record a trial: ``number, params, value, state, seconds, looks, error``; ``value`` is that of the last look
        where the state is ``pruned``, ``seconds`` the time of the process that ended it.
    """
    from optuna.trial import Trial

    study = _open(work / JOURNAL, said)
    while True:
        trials = study.get_trials(deepcopy=False)
        ended = [trial for trial in trials if trial.state.is_finished()]
        if trials and len(ended) == len(trials):
            on_trial([record(trial) for trial in ended])
        if len(ended) >= said["trials"]:
            return [record(trial) for trial in ended]
        if len(ended) == len(trials):
            study.add_trial(_next(said, ended))
        begun = study.get_trials(deepcopy=False)[-1]
        _do(study, Attempt(Trial(study, begun._trial_id), begun.intermediate_values), score)


def best_of(records: list[dict]) -> dict:
    """The trial with the highest score of those that came to their end; of equal ones the first.

    Raises
    ------
    ConfigError
        When none did.
    """
    complete = [one for one in records if one["state"] == "complete"]
    if not complete:
        raise ConfigError(
            f"search.space: none of {len(records)} trials came to its end; narrow what is searched (the last one: "
            f"{records[-1]['error']})"
        )
    return max(complete, key=lambda one: one["value"])


def record(trial: FrozenTrial) -> dict:
    """An ended trial as plain JSON."""
    return {
        "number": trial.number,
        "params": dict(trial.params),
        "value": trial.value,
        "state": STATES[trial.state.name],
        "seconds": trial.user_attrs.get("seconds"),
        "looks": {str(number): score for number, score in sorted(trial.intermediate_values.items())},
        "error": trial.user_attrs.get("error"),
    }


def _do(study: Study, attempt: Attempt, score: Callable[[Attempt], float]) -> None:
    """One trial to its end."""
    from optuna.trial import TrialState

    started = time.perf_counter()
    value, state = None, TrialState.PRUNED
    if not attempt.pruned:
        try:
            value = score(attempt)
        except DataError:
            raise
        except MvmlmError as error:
            state = TrialState.FAIL
            attempt._trial.set_user_attr("error", " ".join(str(error).split())[:300])
        else:
            state = TrialState.PRUNED if attempt.pruned else TrialState.COMPLETE
    attempt._trial.set_user_attr("seconds", round(time.perf_counter() - started, 3))
    study.tell(attempt.number, value if state is TrialState.COMPLETE else None, state=state)


def _next(said: dict, ended: list[FrozenTrial]) -> FrozenTrial:
    """A trial that is about to run, its settings sampled from the seed, its number and the trials before it."""
    import optuna

    digest = blake2b(f"{said['seed']} {len(ended)}".encode(), digest_size=4).digest()
    seed = int.from_bytes(digest, "big")
    if said["sampler"] == "random":
        sampler = optuna.samplers.RandomSampler(seed=seed)
    else:
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=said["startup"])
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.add_trials(ended)
    distributions = {path: distribution(one) for path, one in sorted(said["space"].items())}
    params = study.ask(distributions).params
    return optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING, params=params, distributions=distributions)


def distribution(said: dict) -> BaseDistribution:
    """What Optuna draws from, of one path of a resolved space."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if "choices" in said:
        return CategoricalDistribution(said["choices"])
    if said["whole"]:
        return IntDistribution(said["low"], said["high"], log=said["log"], step=said["step"] or 1)
    return FloatDistribution(said["low"], said["high"], log=said["log"], step=said["step"])


def _open(path: Path, said: dict) -> Study:
    """The study of this journal; one that cannot be read is put aside and begun anew."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    none = optuna.pruners.NopPruner()
    pruner = none if said["pruner"] == "none" else optuna.pruners.MedianPruner(n_startup_trials=said["startup"])
    how = {"study_name": "arm", "direction": "maximize", "pruner": pruner, "load_if_exists": True}
    _drop_half_a_line(path)
    try:
        return optuna.create_study(storage=_journal(path), **how)
    except (ValueError, KeyError, AssertionError) as error:
        log.warning("%s cannot be used (%s): this search starts from the beginning", path, error)
        os.replace(path, path.with_suffix(".damaged"))
        return optuna.create_study(storage=_journal(path), **how)


class _NoLock:
    """The store lets one process at a time work on a stage, and a lock file would outlive a killed one."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return None


def _journal(path: Path) -> JournalStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(path), _NoLock()))


def _drop_half_a_line(path: Path) -> None:
    """Cut what a killed process was writing: the next line would be glued to it."""
    if path.is_file() and not (said := path.read_bytes()).endswith(b"\n"):
        path.write_bytes(said[: said.rfind(b"\n") + 1])
