"""Which of several processes that train together this is."""

from __future__ import annotations

import torch.distributed


def is_first_process() -> bool:
    """Whether this is the process that writes and speaks; the only one is."""
    started = torch.distributed.is_available() and torch.distributed.is_initialized()
    return not started or torch.distributed.get_rank() == 0
