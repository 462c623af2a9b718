"""Label Studio's settings as labkit runs it; this folder is on the server's path, and nothing else of labkit is.

Label Studio offers no variables for these. With Label Studio's own settings three people who log in at the same moment
can get "database is locked": its transactions read first and ask to write later, which SQLite refuses at once when
somebody else writes meanwhile, whatever the timeout.
"""

# Django's settings are the names of a module: theirs are taken over whole (F403), what is changed comes after them.
# These first: while Label Studio's own settings are being read, they ask for some of the settings already.
from core.settings.base import *  # noqa: F403

SENTRY_DSN = FRONTEND_SENTRY_DSN = ""

# not at the top (E402): they ask for what stands above
from label_studio.core.settings import label_studio as _theirs  # noqa: E402
from label_studio.core.settings.label_studio import *  # noqa: E402, F403

#: How long a request waits for another one to have written, s. Browsers give up after more than that.
WAIT_S = 60

_database = _theirs.DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    # a transaction asks to write when it begins, and so waits for its turn instead of failing half-way
    _options = {**_database.get("OPTIONS", {}), "timeout": WAIT_S, "transaction_mode": "IMMEDIATE"}
    _database = {**_database, "OPTIONS": _options}
DATABASES = {"default": _database}

MIDDLEWARE = ["labkit_links.RefuseLinks", *_theirs.MIDDLEWARE]
