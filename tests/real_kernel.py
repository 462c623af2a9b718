"""A notebook's kernel as Jupyter starts it, in which cells run, and which can be killed in the middle of one."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager


class Kernel:
    """A kernel that runs, and its client."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager, self._client = manager, client

    def run(self, code: str) -> None:
        """Run a cell to its end."""
        errors: list[str] = []

        def hear(message: dict) -> None:
            if message["msg_type"] == "error":
                errors.extend(message["content"]["traceback"])

        reply = self._client.execute_interactive(code, timeout=300, output_hook=hear)
        assert reply["content"]["status"] == "ok", "\n".join(errors)

    def kill_in(self, code: str, moment: Callable[[], bool]) -> None:
        """Begin a cell, and kill the kernel at a moment of its work."""
        self._client.execute(code)
        until(moment)
        pid = self._manager.provisioner.pid
        os.kill(pid, signal.SIGKILL)
        until(lambda: not alive(pid))


@contextmanager
def real_kernel(folder: Path, first: str) -> Iterator[Kernel]:
    """Start a kernel in a folder and run a first cell; it is gone afterwards."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder), env=dict(os.environ))
    client = manager.blocking_client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=180)
        kernel = Kernel(manager, client)
        kernel.run(first)
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def alive(pid: int) -> bool:
    """Whether a process is there and is more than a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def until(holds: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait until something holds."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds
        time.sleep(0.005)
