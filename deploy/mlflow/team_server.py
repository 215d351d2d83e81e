"""python team_server.py

Start the MLflow server with a login, in its image: create two accounts if they are missing, then serve.

The administrator is `admin`, with MLFLOW_AUTH_ADMIN_PASSWORD; `services`, with MLFLOW_READER_PASSWORD, may only read.
Every start sets both passwords from the environment, so change them there. Users, roles and permissions are in MLflow's
own database and are part of its backup. scripts/mlflow_users.py adds people.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ADMIN, READER = "admin", "services"
NEEDED = (
    "MLFLOW_BACKEND_STORE_URI",
    "MLFLOW_AUTH_ADMIN_PASSWORD",
    "MLFLOW_READER_PASSWORD",
    "MLFLOW_FLASK_SERVER_SECRET_KEY",
)
# Checking a password is slow on purpose, and the services ask every two seconds, so successful logins are cached. This
# image has one worker, which drops a user's cache entry as soon as the user is changed.
CONFIG = """[mlflow]
default_permission = READ
database_uri = {database}
admin_username = {admin}
authorization_function = team_server:authenticate
auth_cache_ttl_seconds = 60
"""


def main() -> int:
    """Create the accounts and serve until stopped; return 2 if a variable is missing."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        print(
            f"error: not set: {', '.join(missing)}; `python scripts/make_secrets.py .env` makes them", file=sys.stderr
        )
        return 2
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(write_config(Path(tempfile.gettempdir())))
    ensure_accounts()
    from mlflow.cli import cli

    cli(["server", "--app-name", "basic-auth"])
    return 0


def write_config(folder: Path) -> Path:
    """Write the settings that MLflow's login reads from a file; only this user may read it, because of the password."""
    path = folder / "basic_auth.ini"
    # configparser would interpolate a percent sign.
    database = os.environ["MLFLOW_BACKEND_STORE_URI"].replace("%", "%%")
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(CONFIG.format(database=database, admin=ADMIN))
    return path


def ensure_accounts() -> None:
    """Create the two accounts, or set their passwords to those of the environment."""
    from mlflow.server import auth

    auth.bootstrap_admin_user()
    for name, variable in ((ADMIN, "MLFLOW_AUTH_ADMIN_PASSWORD"), (READER, "MLFLOW_READER_PASSWORD")):
        password = os.environ[variable]
        if not auth.store.has_user(name):
            auth.store.create_user(name, password)
        elif not auth.store.authenticate_user(name, password):
            auth.store.update_user(name, password=password)


def authenticate() -> Any:
    """Return the authenticated user or a refusal: MLflow's login, which lets `services` change nothing.

    Without this, MLflow lets every user who is logged in create experiments and models.
    """
    from flask import Response, request
    from mlflow.server.auth import authenticate_request_basic_auth

    found = authenticate_request_basic_auth()
    if getattr(found, "username", None) == READER and request.method not in ("GET", "HEAD"):
        return Response(f"Permission denied: {READER} may only read", status=403, mimetype="text/plain")
    return found


if __name__ == "__main__":
    sys.exit(main())
