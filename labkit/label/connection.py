"""The way to a Label Studio server: which address, which token, and its refusals as one clear error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from labkit.errors import LabkitError, ServerError
from labkit.label.server import find_server

URL_VARIABLE = "LABKIT_LABEL_STUDIO_URL"
TOKEN_VARIABLE = "LABKIT_LABEL_STUDIO_TOKEN"

#: The server's address as people's browsers reach it, where that is another than for programs on this machine.
ADDRESS_VARIABLE = "LABKIT_LABEL_STUDIO_ADDRESS"

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_START = "Start it with `labkit lab`, or lk.label.start_server()"


def address_and_token(url: str | None, token: str | None) -> tuple[str, str]:
    """Settle the address and the token: as given, else from the environment, else of this bench's running server.

    The token of this bench is only ever sent to this bench's server.

    Raises
    ------
    ServerError
        No address is given and no server of this bench runs.
    LabkitError
        The address is no http address, or there is no token for it.
    """
    url = url or os.environ.get(URL_VARIABLE)
    token = token or os.environ.get(TOKEN_VARIABLE)
    if url is None or token is None:
        server = find_server()
        if url is None and server is None:
            raise ServerError(f"a Label Studio server must be running for this bench, instead none was found. {_START}")
        if server is not None and (url is None or url.rstrip("/") == server.url):
            url, token = server.url, token or server.token
    assert url is not None
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise LabkitError(f"url must be an http or https address, instead got url={url!r}")
    if not token:
        raise LabkitError(
            f"token must be given for the server at {url}, which is not the running one of this bench. Copy it from "
            f"Label Studio (Account & Settings) into the environment variable {TOKEN_VARIABLE}"
        )
    return url.rstrip("/"), token


def open_client(url: str, token: str) -> Any:
    """Open the SDK's client of the server and check that it lets this token in.

    Raises
    ------
    ServerError
        It cannot be reached, refuses the token, or is not a Label Studio.
    """
    import httpx
    from label_studio_sdk import LabelStudio

    # No retries: a repeated import would make tasks twice. No idle connections: nothing is left open between calls.
    web = httpx.Client(
        timeout=60,
        follow_redirects=True,
        limits=httpx.Limits(max_keepalive_connections=0),
        trust_env=urlsplit(url).hostname not in _LOOPBACK,
    )
    with asking(url):
        client = LabelStudio(base_url=url, api_key=token, max_retries=0, httpx_client=web)
        who = client.users.whoami()
    if not getattr(who, "email", None):
        raise ServerError(f"the server at {url} must be a Label Studio, instead it answers something else. {_START}")
    return client


@contextmanager
def asking(url: str) -> Iterator[None]:
    """Turn whatever goes wrong while the server at ``url`` is asked into one ServerError without the token."""
    import httpx
    from label_studio_sdk.core.api_error import ApiError

    try:
        yield
    except ApiError as error:
        raise ServerError(_refusal(url, error)) from None
    except httpx.TimeoutException:
        raise ServerError(f"Label Studio at {url} must answer within 60 s, instead it is silent. Try again") from None
    except httpx.HTTPError as error:
        raise ServerError(
            f"Label Studio must answer at {url}, instead it cannot be reached ({type(error).__name__}). {_START}"
        ) from None


def _refusal(url: str, error: object) -> str:
    status, body = getattr(error, "status_code", None), getattr(error, "body", None)
    if status in (401, 403):
        return (
            f"Label Studio at {url} must accept the token, instead it refuses it (status {status}). Take the token of "
            f"that server from its page Account & Settings, and give it as token= or in {TOKEN_VARIABLE}; for this "
            "bench's own server leave both out"
        )
    if status == 404 or (isinstance(body, str) and "<html" in body.lower()):
        return f"the server at {url} must be a Label Studio, instead it answers with status {status}. {_START}"
    detail = body if isinstance(body, str) else (body or {}).get("detail") or body if isinstance(body, dict) else body
    return (
        f"Label Studio at {url} must do what it is asked, instead it answers with status {status}: {str(detail)[:500]}"
    )
