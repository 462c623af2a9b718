"""Looks at the links of a built site."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

#: Where a page points to something.
_POINTERS = {"a": "href", "link": "href", "img": "src", "script": "src"}


class _Page(HTMLParser):
    """What one page points to, and where in it one can point."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pointers: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of one tag."""
        known = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := known.get(key))}
        target = known.get(_POINTERS.get(tag, ""))
        if target:
            self.pointers.append(target)


def broken_links(site: Path) -> list[str]:
    """List the links between the pages of a site that lead to no file, or to no place in it, as "page: link"."""
    pages = {path: _Page(path.read_text()) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}
    broken = []
    for path, page in pages.items():
        for pointer in dict.fromkeys(page.pointers):
            parts = urlsplit(pointer)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            there = target.is_file() or (target / "index.html").is_file()
            placed = not anchor or target not in pages or anchor in pages[target].anchors
            if not (there and placed):
                broken.append(f"{path.relative_to(site)}: {pointer}")
    return broken


def outside_links(site: Path) -> list[str]:
    """List the addresses of other hosts to which the site's pages link, each once."""
    found = {
        pointer
        for path in site.rglob("*.html")
        for pointer in _Page(path.read_text()).pointers
        if urlsplit(pointer).scheme in ("http", "https")
    }
    return sorted(found)


def answers(addresses: Iterable[str], hosts: int = 4, patience_s: float = 10.0) -> bool:
    """Whether there is a way to the outside: one of the first few hosts says anything at all, within seconds."""
    first: dict[str, str] = {}
    for address in addresses:
        first.setdefault(urlsplit(address).netloc, address)
    asked = list(first.values())[:hosts]
    pool = ThreadPoolExecutor(max(len(asked), 1))
    waiting = [pool.submit(_ask, address, patience_s) for address in asked]
    done, _ = wait(waiting, timeout=2 * patience_s)
    # a name that nobody resolves may hold its thread for long: nobody waits for it
    pool.shutdown(wait=False, cancel_futures=True)
    return any(isinstance(one.result(), int) for one in done)


def unreachable(addresses: Iterable[str]) -> list[str]:
    """Ask each address and list those that do not answer, or say that there is nothing."""
    asked = list(addresses)
    with ThreadPoolExecutor(8) as pool:
        said = pool.map(_ask, asked)
        lost = [(address, answer) for address, answer in zip(asked, said, strict=True) if answer not in _THERE]
    return [f"{address}: {answer}" for address, answer in lost]


#: Answers of a server that has the page, or keeps it from programs.
_THERE = [code for code in range(200, 600) if code not in (404, 410)]


def _ask(address: str, patience_s: float = 20.0) -> int | str:
    """What an address answers; the name of the error where it does not."""
    try:
        with requests.get(address, timeout=patience_s, stream=True) as answer:
            return answer.status_code
    except requests.RequestException as error:
        return type(error).__name__
