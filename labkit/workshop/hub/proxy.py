"""The proxy before the hub, the one in Python: Node.js is not needed. Here it is made fit for a room."""

from __future__ import annotations

from functools import partial

from configurable_http_proxy import cli, handlers
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

# By itself it asks for ten pages at once, waits 20 s for each and cuts a notebook off whose figure has 10 MB.
_AT_ONCE = 1000
_SECONDS = 600
_BYTES = 2**28

if __name__ == "__main__":
    defaults = {"request_timeout": _SECONDS, "connect_timeout": _SECONDS}
    AsyncHTTPClient.configure(
        None, max_clients=_AT_ONCE, max_body_size=_BYTES, max_buffer_size=_BYTES, defaults=defaults
    )
    handlers.websocket_connect = partial(websocket_connect, max_message_size=_BYTES)
    cli.main()
