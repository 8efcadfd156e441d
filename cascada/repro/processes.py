"""Which process it was: pids are used again, and clocks are set."""

from __future__ import annotations

import psutil

_TOLERANCE_S = 2.0  # the kernel tells in whole seconds when the machine started


def began(pid: int) -> float:
    """Tell how many seconds after its machine a process started: with the pid, its identity.

    The time of day would be none: when the clock is set, every running process has started at another one.

    Raises
    ------
    psutil.NoSuchProcess
        If there is none.
    """
    return round(psutil.Process(pid).create_time() - psutil.boot_time(), 2)


def lives(pid: int, since: float) -> bool:
    """Tell whether the process of this pid that began at `since` still runs.

    Examples
    --------
    >>> import os
    >>> lives(os.getpid(), began(os.getpid())), lives(os.getpid(), began(os.getpid()) - 60)
    (True, False)
    """
    try:
        return abs(began(pid) - since) < _TOLERANCE_S and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
