"""Which of several processes that train together this is, and what it can compute on."""

from __future__ import annotations

import torch
import torch.distributed


def is_first_process() -> bool:
    """Whether this is the process that writes and speaks; the only one is."""
    started = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not started or torch.distributed.get_rank() == 0


def best_device() -> str:
    """Give "cuda" where this process has a GPU, else "cpu"."""
    return "cuda" if torch.cuda.is_available() else "cpu"
