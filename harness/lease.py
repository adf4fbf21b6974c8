"""Which process writes a run, so that another can tell whether it still does."""

from __future__ import annotations

import json
import os
import socket

import psutil


def lease() -> str:
    """This process, in words that :func:`is_dead` can look for."""
    started = psutil.Process().create_time()
    return json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "started": started})


def is_dead(said: str) -> bool:
    """Whether the process was on this machine and is no more; False of one that cannot be looked for."""
    try:
        told = json.loads(said)
        if told["host"] != socket.gethostname():
            return False
        return abs(psutil.Process(told["pid"]).create_time() - told["started"]) > 1.0
    except psutil.NoSuchProcess:
        return True
    except (ValueError, KeyError, TypeError):
        return False
