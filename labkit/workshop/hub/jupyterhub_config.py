"""JupyterHub for this workshop: one server for each person, on this machine alone unless another address is named.

`labkit workshop open FOLDER` reads it and gives what it takes from the environment. Change it as JupyterHub's
documentation says; what is here is all that the workshop sets.
"""

import json
import os
import sys
from pathlib import Path

from labkit.workshop.hub.parts import HomeSpawner, PasswordFile

FOLDER = Path(__file__).resolve().parents[1]
PRIVATE = FOLDER / "private"
GIVEN = json.loads(os.environ["LABKIT_WORKSHOP_HUB"])  # addresses, ports and accounts of this start

c = get_config()  # type: ignore[name-defined] # noqa: F821

c.JupyterHub.bind_url = f"http://{GIVEN['host']}:{GIVEN['port']}"
c.JupyterHub.hub_ip = "127.0.0.1"
c.JupyterHub.hub_port = GIVEN["hub_port"]
c.JupyterHub.db_url = f"sqlite:///{PRIVATE / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(PRIVATE / "hub-cookie-secret")
c.JupyterHub.cleanup_servers = True
c.JupyterHub.template_vars = {"announcement_login": "User name and password are on your slip."}
c.ConfigurableHTTPProxy.command = [sys.executable, "-m", "labkit.workshop.hub.proxy"]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{GIVEN['proxy_port']}"
c.ConfigurableHTTPProxy.pid_file = str(PRIVATE / "hub-proxy.pid")

c.JupyterHub.authenticator_class = PasswordFile
c.PasswordFile.passwords = str(PRIVATE / "passwords.json")
c.Authenticator.allowed_users = set(GIVEN["accounts"])
c.Authenticator.admin_users = {GIVEN["teacher"]}

c.JupyterHub.spawner_class = HomeSpawner
c.HomeSpawner.workshop = str(FOLDER)
c.HomeSpawner.numbers = GIVEN["numbers"]
c.HomeSpawner.label_studio = GIVEN["label_studio"]
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.ip = "127.0.0.1"
c.Spawner.default_url = "/lab/tree/start_here.ipynb"
c.Spawner.start_timeout = 180
c.Spawner.http_timeout = 180
# A room presses the button at the same moment: so many servers start at once, the others wait their turn.
c.JupyterHub.concurrent_spawn_limit = 6

c.JupyterHub.services = [
    {
        "name": "progress",
        "url": f"http://127.0.0.1:{GIVEN['progress_port']}",
        "command": [sys.executable, "-m", "labkit.workshop.hub.teacher_page", str(FOLDER)],
        "oauth_no_confirm": True,
    }
]
