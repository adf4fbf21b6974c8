"""Several processes that train one method together: what they tell each other, and how they are started."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from mvmlm import errors
from mvmlm.errors import ConfigError, MvmlmError

BUCKET = 2**24
"""Numbers that are added in one exchange: 64 MiB of float32."""
PATIENCE = timedelta(minutes=60)
"""How long one process waits for the others."""


class Group:
    """The processes that share each batch; by itself, a group of one that exchanges nothing.

    Attributes
    ----------
    rank, size : int
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    def gather(self, tensor: Tensor, counts: list[int]) -> Tensor:
        """Rows of all processes, in the order of their ranks.

        Parameters
        ----------
        tensor : Tensor, shape (counts[rank], …)
        counts : list of int
            Rows of each process.
        """
        if self.size == 1:
            return tensor
        padded = tensor.new_zeros(max(counts), *tensor.shape[1:])
        padded[: len(tensor)] = tensor
        found = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(found, padded)
        return torch.cat([rows[:count] for rows, count in zip(found, counts, strict=True)])

    def add(self, tensors: list[Tensor]) -> None:
        """Replace each tensor by its sum over the processes."""
        if self.size == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([t.flatten() for t in bucket])
            dist.all_reduce(flat)
            for tensor, part in zip(bucket, flat.split([t.numel() for t in bucket])):
                tensor.copy_(part.view_as(tensor))

    def agreed(self, value: float, device: torch.device) -> float:
        """The value that the first process has."""
        if self.size == 1:
            return value
        said = torch.tensor([value], dtype=torch.float64, device=device)
        dist.broadcast(said, 0)
        return float(said)


ALONE = Group()


def _buckets(tensors: list[Tensor]) -> list[list[Tensor]]:
    buckets: list[list[Tensor]] = []
    room = 0
    for tensor in tensors:
        if not buckets or tensor.numel() > room or tensor.dtype != buckets[-1][-1].dtype:
            buckets.append([])
            room = BUCKET
        buckets[-1].append(tensor)
        room -= tensor.numel()
    return buckets


@dataclass(frozen=True)
class Meeting:
    """Where processes of several machines find each other.

    Attributes
    ----------
    address : str
        ``host:port`` on the machine of the first process.
    first : int
        Rank of this machine's first process.
    size : int
        Processes of all machines together.
    """

    address: str
    first: int
    size: int


def run_processes(
    work: Callable[..., Any],
    count: int,
    arguments: tuple = (),
    *,
    threads: int = 1,
    report: Callable[[dict], None],
    meeting: Meeting | None = None,
) -> Any:
    """Run ``work(group, report, *arguments)`` in ``count`` processes of this machine, one to a GPU where there are any.

    Parameters
    ----------
    work : callable
        A function of a module, since the processes import it.
    threads : int
        CPU threads of all processes together.
    report : callable
        Gets, here, the dicts that the first process reports.
    meeting : Meeting, optional
        Where these processes are part of a group over several machines, each of which calls this.

    Returns
    -------
    What ``work`` returned in this machine's first process.

    Raises
    ------
    ConfigError
        When there are GPUs, and fewer than processes.
    MvmlmError
        Of the class that ``work`` raised in any of them.
    """
    import torch.multiprocessing as mp

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus and gpus < count:
        raise ConfigError(f"train.processes={count}: this stage has {gpus} GPUs; set resources.pretrain.gpu={count}")
    context = mp.get_context("spawn")
    said = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        where = meeting or str(Path(folder) / "meeting")
        each = max(1, threads // count)
        processes = [
            context.Process(target=_process, args=(work, place, count, bool(gpus), where, each, said, arguments))
            for place in range(count)
        ]
        for process in processes:
            process.start()
        try:
            return _listen(processes, said, report)
        finally:
            for process in processes:
                process.terminate()
                process.join()


def _listen(processes: list, said: Any, report: Callable[[dict], None]) -> Any:
    from queue import Empty

    while True:
        try:
            kind, content = said.get(timeout=1.0)
        except Empty:
            kind, content = "nothing", None
        killed = _killed(processes, wait=1.0 if kind == "error" else 0.0)
        if killed and kind != "result":  # what the others then say is that it no longer answers
            raise MvmlmError(
                f"one of {len(processes)} training processes was killed (exit code {killed[0].exitcode}), "
                "perhaps for want of memory"
            )
        if kind == "nothing":
            continue
        if kind == "report":
            report(content)
        elif kind == "result":
            return content
        else:
            name, message = content
            raise getattr(errors, name, MvmlmError)(message)


def _killed(processes: list, wait: float) -> list:
    """Processes that a signal ended; an exit may be known a moment after others complain of it [s]."""
    end = time.monotonic() + wait
    while not (found := [p for p in processes if p.exitcode is not None and p.exitcode < 0]):
        if time.monotonic() >= end:
            break
        time.sleep(0.02)
    return found


def _process(
    work: Callable,
    place: int,
    count: int,
    on_gpu: bool,
    where: Meeting | str,
    threads: int,
    said: Any,
    arguments: tuple,
) -> None:
    """One process: the ``place``-th of ``count`` on this machine."""
    _end_with_parent()
    torch.set_num_threads(threads)
    if on_gpu:
        torch.cuda.set_device(place)
    rank, size = _join("nccl" if on_gpu else "gloo", where, place, count)
    try:
        result = work(Group(rank, size), (lambda told: said.put(("report", told))) if rank == 0 else None, *arguments)
        dist.barrier()
        if place == 0:
            said.put(("result", result))
    except Exception as error:
        known = isinstance(error, MvmlmError)
        message = str(error) if known else f"{type(error).__name__}: {error}"
        said.put(("error", (type(error).__name__ if known else "MvmlmError", message)))
        said.close()
        said.join_thread()
        os._exit(1)  # the others wait in an exchange that never comes: no orderly end there is
    finally:
        dist.destroy_process_group()


def _join(backend: str, where: Meeting | str, place: int, count: int) -> tuple[int, int]:
    """Meet the others; returns rank and size."""
    if isinstance(where, Meeting):
        rank, size = where.first + place, where.size
        how = {"init_method": f"tcp://{where.address}"}
    else:
        rank, size = place, count
        how = {"store": dist.FileStore(where, count)}
        if backend == "gloo":
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(backend, rank=rank, world_size=size, timeout=PATIENCE, **how)
    return rank, size


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, killed perhaps: nobody else would end it then."""
    import multiprocessing

    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    if parent is not None:
        threading.Thread(target=watch, daemon=True).start()
