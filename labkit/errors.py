"""The errors that labkit raises, so that a caller can tell its word from a bug's.

Every message names the thing, the rule, the value and the remedy:
``"<name> must be <rule>, instead got <name>=<value>. <remedy>"``.
"""

from __future__ import annotations


class LabkitError(ValueError):
    """A thing given to labkit breaks a rule; the message says which, and what to do."""


class FileError(LabkitError):
    """A file is missing, cut, of another size, or not what its name says; the message names the file."""


class ServerError(LabkitError):
    """A server did not answer, or refused; the message names its address and the remedy."""
