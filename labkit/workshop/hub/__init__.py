"""What runs inside JupyterHub: its configuration, who may come in, how servers start, and the teacher's page."""
