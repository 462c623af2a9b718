"""Keeps Label Studio from following a link out of the folder whose images it may serve."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpResponseNotFound

_VIEW = "/data/local-files"


class RefuseLinks:
    """Middleware: a file that lies outside the document root, through whatever link, is not there."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        """Answer a request."""
        asked = request.GET.get("d", "")
        if _VIEW in request.path and asked:
            root = Path(settings.LOCAL_FILES_DOCUMENT_ROOT).resolve()
            if "\0" in asked or not (root / asked.lstrip("/")).resolve().is_relative_to(root):
                return HttpResponseNotFound()
        return self.get_response(request)
