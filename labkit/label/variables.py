"""What Label Studio is told by environment variables: where it keeps things, and who its owner is."""

from __future__ import annotations

import os
from pathlib import Path

from labkit import home
from labkit.label.database import DATA_FOLDER, Database

FILES_FOLDER = "label-studio-files"

#: Names the folder that a server elsewhere on this machine serves (its document root).
FILES_VARIABLE = "LABKIT_LABEL_STUDIO_FILES"

#: The one folder below the document root from which images are served; Label Studio asks for a strict subfolder.
CHIPS_FOLDER = "chips"

#: Label Studio reads these also without its own prefix, so a `HOST` or `DEBUG` of the shell would change its ways.
_FOREIGN = {
    "HOST",
    "PORT",
    "DEBUG",
    "USERNAME",
    "PASSWORD",
    "LOG_LEVEL",
    "JSON_LOG",
    "CI",
    "STORAGE_TYPE",
    "BASE_DATA_DIR",
}
_FOREIGN_PREFIXES = ("LABEL_STUDIO_", "HEARTEX_", "DJANGO_", "POSTGRE_", "PYTHONPATH", "PYTHONHOME")

#: Holds the settings under which labkit runs Label Studio.
_SETTINGS_FOLDER = Path(__file__).parent / "django"


def files_folder() -> Path:
    """Give the folder from which this bench's server may serve images (its document root), made when absent.

    Where it is a link, as in a workshop whose people put images there too, it is the folder that the link leads to:
    Label Studio compares paths as text.
    """
    folder = home.folder() / FILES_FOLDER
    folder = folder.resolve() if folder.is_symlink() else folder
    (folder / CHIPS_FOLDER).mkdir(parents=True, exist_ok=True)
    return folder


def server_variables(database: Database) -> dict[str, str]:
    """Give what the server sees: the shell's variables without those that would bend it, and its settings."""
    known = home.load_secrets()
    data = home.folder() / DATA_FOLDER
    data.mkdir(mode=0o700, exist_ok=True)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name.upper() not in _FOREIGN and not name.upper().startswith(_FOREIGN_PREFIXES)
    }
    return (
        inherited
        | database.variables()
        | {
            "LABEL_STUDIO_BASE_DATA_DIR": str(data),
            # It keeps a number of its own in the user's settings folder.
            "XDG_CONFIG_HOME": str(data),
            "LABEL_STUDIO_USERNAME": known.user,
            "LABEL_STUDIO_PASSWORD": known.password,
            "LABEL_STUDIO_USER_TOKEN": known.label_studio_token,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            # Colleagues join by the invitation link of the owner, not by signing up at an open door.
            "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
            "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(files_folder()),
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "labkit_settings",
            "PYTHONPATH": str(_SETTINGS_FOLDER),
            # the folder may be read-only
            "PYTHONDONTWRITEBYTECODE": "1",
        }
    )
