"""An MLflow server with the login of its image, and the users who work with it."""

import secrets
from pathlib import Path

import mlflow_users
from support.repository import REPOSITORY
from support.servers.mlflow_server import TrackingServer

SERVER = REPOSITORY / "deploy" / "mlflow"
PASSWORDS = ("MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_READER_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY")


class TeamServer(TrackingServer):
    """The program of the MLflow image, with its own database and folder for files."""

    program = (str(SERVER / "team_server.py"),)

    def __init__(self, folder: Path, database: str, artifacts: Path, **variables: str) -> None:
        """Start the server; `passwords` holds the password of each user."""
        chosen = {name: secrets.token_hex(12) for name in PASSWORDS} | variables
        self.passwords = {"admin": chosen[PASSWORDS[0]], "services": chosen[PASSWORDS[1]]}
        places = {"MLFLOW_BACKEND_STORE_URI": database, "MLFLOW_ARTIFACTS_DESTINATION": str(artifacts)}
        # Without localhost, so that a test can use a host name that is not allowed.
        places["MLFLOW_SERVER_ALLOWED_HOSTS"] = "127.0.0.1:*"
        # The server writes its configuration there, and two servers must not share it.
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
        super().__init__(folder, **places, **temporary, **chosen, PYTHONPATH=str(SERVER))

    def login(self, name: str) -> dict[str, str]:
        """Return the environment variables with which a user works on this server."""
        variables = {"MLFLOW_TRACKING_URI": self.address, "MLFLOW_TRACKING_USERNAME": name}
        return variables | {"MLFLOW_TRACKING_PASSWORD": self.passwords[name]}

    def log_in(self, name: str, monkeypatch) -> None:
        """Let commands in this process work as a user."""
        for variable, value in self.login(name).items():
            monkeypatch.setenv(variable, value)

    def add(self, name: str, monkeypatch, capsys) -> None:
        """Add a user as the administrator."""
        self.log_in("admin", monkeypatch)
        capsys.readouterr()
        assert mlflow_users.main(["add", name]) == 0
        self.passwords[name] = capsys.readouterr().out.strip()
