"""Download pairs given their addresses: whole or not at all, verified where a hash is known, gone on with when cut."""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tqdm.auto import tqdm

from labkit.errors import FileError, LabkitError, ServerError

_HASH = re.compile(r"^(?:(md5|sha1|sha256|sha512):)?([0-9a-fA-F]{32,128})$")
_REMARK = re.compile(r"(?:^|\s)#")
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


def read_addresses(path: str | os.PathLike[str]) -> dict[str, str | None]:
    """Read a list of addresses: one on each line, its hash after a space where it is known; ``#`` begins a remark.

    Returns
    -------
    dict
        Address → hash ("sha256:…", "md5:…") or None.

    Raises
    ------
    FileError
        The file is no text, or a line is no address.
    """
    source = Path(path)
    try:
        lines = source.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{source} must be a list of addresses as plain text, instead got: {error}") from error
    addresses: dict[str, str | None] = {}
    for line in lines:
        words = _REMARK.split(line)[0].split()
        if not words:
            continue
        if len(words) > 2:
            raise FileError(f"{source} must hold 'address' or 'address hash' on a line, instead got {line[:100]!r}")
        try:
            _file_name(words[0])
            addresses[words[0]] = _known_hash(words[1]) if len(words) == 2 else None
        except LabkitError as error:
            raise FileError(f"{source}: {error}") from error
    return addresses


def fetch_files(
    addresses: Mapping[str, str | None],
    folder: str | os.PathLike[str],
    *,
    unzip: bool = False,
    attempts: int = 5,
    timeout_s: float = 60.0,
    wait_s: float = 1.0,
    progress: bool = True,
) -> list[Path]:
    """Download files into a folder, leaving those that are there; what one file lacks does not keep the others back.

    Parameters
    ----------
    addresses : mapping
        http(s) address → hash ("sha256:…", "md5:…", plain hexadecimal digits are SHA-256) or None where it is unknown.
    folder : path-like
        Where the files go, under the last part of their addresses.
    unzip : bool
        Unpack ``.zip`` archives there (HyP3 products); the archives are kept.
    attempts : int
        How often a file is tried without a byte arriving, at least 1.
    timeout_s : float
        How long a server may stay silent, s.
    wait_s : float
        Wait before the second attempt, s; doubled each time.
    progress : bool
        Show bars.

    Returns
    -------
    list of pathlib.Path
        The files, in the order of the addresses.

    Raises
    ------
    LabkitError
        An address is no http(s) address of a file, two name the same file, or a hash is none.
    ServerError
        A server refuses a file, after the others have been fetched; or cannot be reached, at once. What has arrived is
        kept, and the next call goes on from there.
    FileError
        A file differs from its hash, an archive is damaged, or the folder cannot be written.
    """
    # Loaded when it is used: reading files that are there needs no network.
    from labkit.read.download import UnreachableError

    if attempts < 1:
        raise LabkitError(f"attempts must be at least 1, instead got attempts={attempts}")
    place = Path(folder)
    targets: dict[str, str] = {}
    for address in addresses:
        name = _file_name(address)
        if name in targets:
            raise LabkitError(
                f"addresses must name each file once, instead {name} is at {targets[name]} and {address}. "
                "Fetch them into folders of their own"
            )
        targets[name] = address
    settings = {"attempts": attempts, "timeout_s": timeout_s, "wait_s": wait_s, "progress": progress}
    hashes = {name: _known_hash(addresses[address]) for name, address in targets.items()}
    failures: list[LabkitError] = []
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, address in tqdm(targets.items(), desc="files", disable=not progress):
            try:
                _fetch(address, place / name, hashes[name], settings)
                if unzip and name.lower().endswith(".zip"):
                    _unpack(place / name)
            except UnreachableError:
                # A hundred files would be waited for one after the other.
                raise
            except (ServerError, FileError) as error:
                failures.append(error)
    except OSError as error:
        raise FileError(f"{place} must be writable with enough room on its disk, instead got: {error}") from error
    if len(failures) == 1:
        raise failures[0]
    if failures:
        raise ServerError(
            f"{len(targets)} files must arrive in {place}, instead {len(failures)} did not. "
            + " ".join(f"({i}) {failure}" for i, failure in enumerate(failures, 1))
        )
    return [place / name for name in targets]


def _fetch(address: str, target: Path, known_hash: str | None, settings: Mapping[str, object]) -> Path:
    import pooch

    from labkit.read.download import ResumingDownloader

    pooch.get_logger().setLevel("WARNING")
    # the settings are made above in fetch(); a mapping does not say the type of each
    download = ResumingDownloader(target, **settings)  # type: ignore[arg-type]
    try:
        return Path(pooch.retrieve(address, known_hash, target.name, target.parent, downloader=download))
    except ValueError as error:
        if isinstance(error, LabkitError):
            raise
        raise FileError(
            f"{target} must have the hash {known_hash}, instead what {address} sends has another. "
            "Fetch it again; if it stays so, the file was changed: take its new hash"
        ) from error


def _file_name(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    name = unquote(parts.path).rpartition("/")[2]
    plain = name and not name.startswith(".") and "\\" not in name and name.isprintable()
    if parts.scheme not in ("http", "https") or not parts.netloc or not plain:
        raise LabkitError(f"address must be an http or https address of a file, instead got address={address!r}")
    return name


def _known_hash(text: str | None) -> str | None:
    if text is None:
        return None
    found = _HASH.match(text)
    kind = (found[1] or "sha256") if found else ""
    if found is None or len(found[2]) != _DIGITS[kind]:
        raise LabkitError(f"hash must be 'sha256:…', 'sha512:…', 'sha1:…' or 'md5:…', instead got hash={text!r}")
    return f"{kind}:{found[2].lower()}"


def _unpack(archive: Path) -> None:
    """Unpack beside the archive, each folder or file at its top whole or not at all; what is there is left."""
    try:
        with zipfile.ZipFile(archive) as source, tempfile.TemporaryDirectory(dir=archive.parent, prefix=".zip") as room:
            tops = {name.split("/")[0] for name in source.namelist()}
            if all((archive.parent / top).exists() for top in tops):
                return
            source.extractall(room)
            for made in Path(room).iterdir():
                if not (archive.parent / made.name).exists():
                    made.rename(archive.parent / made.name)
    # zipfile's own words: NotImplementedError for a compression that it does not know, RuntimeError for encryption.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise FileError(f"{archive} must be a whole zip archive, instead got: {error}. Fetch it again") from error
