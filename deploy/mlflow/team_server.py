"""python team_server.py

Start the MLflow server behind a login, in its image: two users are made sure of, then this process becomes the server.

The administrator is `admin`, with MLFLOW_AUTH_ADMIN_PASSWORD; `services`, with MLFLOW_READER_PASSWORD, may only read.
Both have at every start the password that the environment says, so one is changed there. Users, roles and rights are in
MLflow's own database, and go with it into a backup. People are added by scripts/mlflow_users.py.
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
# A password is compared slowly on purpose, and the services ask every two seconds, so what was right is remembered. The
# one worker of this image forgets it at once when a user is changed.
CONFIG = """[mlflow]
default_permission = READ
database_uri = {database}
admin_username = {admin}
authorization_function = team_server:authenticate
auth_cache_ttl_seconds = 60
"""


def main() -> int:
    """Make sure of the users and serve until the end; 2 when something is missing."""
    missing = [name for name in NEEDED if not os.environ.get(name)]
    if missing:
        print(
            f"error: not set: {', '.join(missing)}; `python scripts/make_secrets.py .env` makes them", file=sys.stderr
        )
        return 2
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(write_config(Path(tempfile.gettempdir())))
    make_sure_of_users()
    from mlflow.cli import cli

    cli(["server", "--app-name", "basic-auth"])
    return 0


def write_config(folder: Path) -> Path:
    """Write what MLflow's login reads from a file alone; it is for this user only, since it has a password."""
    path = folder / "basic_auth.ini"
    # The parser takes a percent sign for the beginning of a reference.
    database = os.environ["MLFLOW_BACKEND_STORE_URI"].replace("%", "%%")
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(CONFIG.format(database=database, admin=ADMIN))
    return path


def make_sure_of_users() -> None:
    """Make the two users, or give them the passwords of the environment."""
    from mlflow.server import auth

    auth.bootstrap_admin_user()
    for name, variable in ((ADMIN, "MLFLOW_AUTH_ADMIN_PASSWORD"), (READER, "MLFLOW_READER_PASSWORD")):
        password = os.environ[variable]
        if not auth.store.has_user(name):
            auth.store.create_user(name, password)
        elif not auth.store.authenticate_user(name, password):
            auth.store.update_user(name, password=password)


def authenticate() -> Any:
    """Return who asks, or the refusal: MLflow's login, except that `services` changes nothing.

    By MLflow's own rules whoever is logged in may make new experiments and models, the first one in an empty registry
    too.
    """
    from flask import Response, request
    from mlflow.server.auth import authenticate_request_basic_auth

    found = authenticate_request_basic_auth()
    if getattr(found, "username", None) == READER and request.method not in ("GET", "HEAD"):
        return Response(f"Permission denied: {READER} may only read", status=403, mimetype="text/plain")
    return found


if __name__ == "__main__":
    sys.exit(main())
