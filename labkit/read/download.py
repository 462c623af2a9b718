"""One file over HTTP, gone on with where a connection was cut: what pooch calls to fetch."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import requests
from tqdm.auto import tqdm

from labkit.errors import ServerError

#: What is lost at most when a connection is cut: the chunk that was on its way.
_CHUNK_BYTES = 1 << 16
_REFUSED = (401, 403)
_PAGES = ("text/html", "application/xhtml")
_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")

#: Answers after which trying again may help.
_PASSING = (408, 425, 429, 500, 502, 503, 504)

_HOPELESS = (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.TooManyRedirects)


class UnreachableError(ServerError):
    """The server does not answer, or breaks off without sending anything: asking it for other files is in vain too."""


class _CutError(Exception):
    """The connection failed or ended early; trying again may help."""


@dataclass(frozen=True)
class ResumingDownloader:
    """Download for :func:`pooch.retrieve` that keeps what it has and goes on from there.

    What has arrived lies in ``.NAME.part`` beside the target, with the server's mark of the version (ETag or date) in
    ``.NAME.part.mark``: a file that changed on the server is begun anew.

    Parameters
    ----------
    target : Path
        The file to be.
    attempts : int
        How often it is tried without a byte arriving; every byte that arrives starts the count anew.
    timeout_s : float
        How long the server may stay silent, s.
    wait_s : float
        Wait before the second attempt, s; doubled each time, at most a minute.
    progress : bool
        Show a bar.
    """

    target: Path
    attempts: int = 5
    timeout_s: float = 60.0
    wait_s: float = 1.0
    progress: bool = True

    @property
    def part(self) -> Path:
        """Where what has arrived is kept."""
        return self.target.with_name(f".{self.target.name}.part")

    @property
    def _mark(self) -> Path:
        return self.part.with_name(f"{self.part.name}.mark")

    def __call__(self, url: str, output_file: str, pooch: object, check_only: bool = False) -> None:
        """Download ``url`` and put it at ``output_file`` once it is complete.

        Raises
        ------
        ServerError
            The server refuses, has no such file, sends a web page instead of it, or cannot be reached.
        """
        failures, wait = 0, self.wait_s
        while True:
            before = self._arrived()
            try:
                self._go_on(url)
                break
            except _HOPELESS as error:
                raise ServerError(f"{url} must lead to a file, instead got: {error}. Check the address") from error
            except (requests.RequestException, _CutError) as error:
                reason = str(error)
            if self._arrived() > before:
                failures, wait = 0, self.wait_s
            failures += 1
            if failures >= self.attempts:
                raise UnreachableError(
                    f"{url} must be reachable, instead got: {reason}. Check the network and run the same again: "
                    f"{self._arrived()} bytes are kept, and it goes on from there"
                )
            time.sleep(wait)
            wait = min(2 * wait, 60.0)
        self._mark.unlink(missing_ok=True)
        self.part.replace(output_file)

    def _arrived(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _go_on(self, url: str) -> None:
        offset = self._arrived()
        # A compressed transfer has other byte positions than the file.
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if self._mark.is_file():
                headers["If-Range"] = self._mark.read_text("utf-8")
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout_s) as response:
            begin, total = self._check(url, response, offset)
            if begin is None:
                return
            mark = response.headers.get("ETag", "")
            # A weak mark does not promise equal bytes.
            mark = mark if mark and not mark.startswith("W/") else response.headers.get("Last-Modified", "")
            if mark:
                self._mark.write_text(mark, "utf-8")
            else:
                self._mark.unlink(missing_ok=True)
            self._receive(response, begin, total)
        if total is not None and self._arrived() != total:
            raise _CutError(f"the connection ended after {self._arrived()} of {total} bytes")

    def _check(self, url: str, response: requests.Response, offset: int) -> tuple[int | None, int | None]:
        """Where the answer begins (None: nothing is missing) and how long the file is (None: unknown)."""
        status = response.status_code
        found = _RANGE.match(response.headers.get("Content-Range", ""))
        if status == 416 and offset:
            if found and found[2] == str(offset):
                return None, offset
            self._forget()
            raise _CutError("what was kept does not fit the file")
        if status in _PASSING:
            raise _CutError(f"the server answered {status} {response.reason}")
        if status in _REFUSED or (status < 400 and self._is_page(response)):
            raise ServerError(
                f"{url} must be open to you, instead the server "
                f"{'sent a web page' if status < 400 else f'answered {status} {response.reason}'}. "
                "Log in: put 'machine HOST login NAME password WORD' into the file .netrc in your home folder (for "
                "HyP3 the host is urs.earthdata.nasa.gov), or take the address with its access token"
            )
        if status not in (200, 206):
            raise ServerError(
                f"{url} must be a file on its server, instead it answered {status} {response.reason}. "
                "Check the address; services delete old products"
            )
        if status == 206:
            if found is None or found[1] is None or int(found[1]) != offset:
                self._forget()
                raise _CutError("the server sent another part than was asked for")
            return offset, None if found[2] == "*" else int(found[2])
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None

    def _is_page(self, response: requests.Response) -> bool:
        page = response.headers.get("Content-Type", "").lower().startswith(_PAGES)
        return page and self.target.suffix.lower() not in (".html", ".htm")

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._mark.unlink(missing_ok=True)

    def _receive(self, response: requests.Response, begin: int, total: int | None) -> None:
        with (
            self.part.open("r+b" if begin else "wb") as file,
            tqdm(
                total=total,
                initial=begin,
                desc=self.target.name,
                unit="B",
                unit_scale=True,
                disable=not self.progress,
                leave=False,
            ) as bar,
        ):
            file.seek(begin)
            file.truncate()
            for chunk in response.iter_content(_CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
