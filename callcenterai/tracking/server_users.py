"""The users of an MLflow server with a login: list and add them, change passwords, remove them."""

import secrets
import sys
from typing import Any

from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request, verify_rest_response

from callcenterai.core.cli import UserError, print_table
from callcenterai.tracking.store import make_client, tracking_uri, translate_tracking_errors

ROLE = "trainers"
# The one workspace in which MLflow keeps roles while its workspaces feature is off.
WORKSPACE = "default"
# Every promotion removes the alias `staging`, which counts as deleting in MLflow, so whoever promotes needs MANAGE on
# the model. Trainings log to experiments that other people created, which needs EDIT.
PERMISSIONS = {"experiment": "EDIT", "registered_model": "MANAGE"}
# deploy/mlflow/team_server.py sets their passwords from .env at every start.
SERVER_ACCOUNTS = ("admin", "services")
PASSWORD_BYTES = 16


def list_users() -> None:
    """Print every user and what they may do."""
    with translate_tracking_errors():
        users = _read_users()
    rows = [(name, _describe_rights(user["is_admin"], _role_names(user))) for name, user in users.items()]
    print_table(("user", "may"), sorted(rows))


def add_user(name: str, admin: bool) -> None:
    """Create a user and show the password, or keep the user who exists, and grant the role, or every right."""
    with translate_tracking_errors():
        user = _read_users_to_change(name).get(name)
        if not name or ":" in name or not name.isascii() or not name.isprintable():
            raise UserError(f"{name!r} is not a valid user name: use ASCII characters and no colon")
        role = _ensure_role()
        password = secrets.token_hex(PASSWORD_BYTES)
        if user is None:
            call_users_api("POST", "users/create", username=name, password=password)
        if user is None or ROLE not in _role_names(user):
            call_users_api("POST", "roles/assign", version=3, username=name, role_id=role)
        if admin:
            call_users_api("PATCH", "users/update-admin", username=name, is_admin=True)
    if user is None:
        _show_password(name, password)
    else:
        rights = _describe_rights(admin, [ROLE])
        print(f"{name} already exists and keeps the password; may now: {rights}", file=sys.stderr)


def change_password(name: str) -> None:
    """Give a user a new password and show it."""
    with translate_tracking_errors():
        _check_exists(name, _read_users_to_change(name))
        password = secrets.token_hex(PASSWORD_BYTES)
        call_users_api("PATCH", "users/update-password", username=name, password=password)
    _show_password(name, password)


def remove_user(name: str) -> None:
    """Remove a user, who can no longer log in."""
    with translate_tracking_errors():
        _check_exists(name, _read_users_to_change(name))
        call_users_api("DELETE", "users/delete", username=name)
    print(f"{name} is removed", file=sys.stderr)


def _read_users() -> dict[str, dict[str, Any]]:
    """Return the users by name, or raise a UserError when the tracking store is not a server with a login."""
    if not tracking_uri().startswith(("http://", "https://")):
        raise UserError("only a server has users: set MLFLOW_TRACKING_URI to its address, http://...")
    make_client()
    return {user["username"]: user for user in call_users_api("GET", "users/list")["users"]}


def _read_users_to_change(name: str) -> dict[str, dict[str, Any]]:
    """Return the users, or raise a UserError when `name` is the server's own or we are not an administrator."""
    if name in SERVER_ACCOUNTS:
        raise UserError(f"{name} belongs to the server, which takes its password from .env at every start")
    users = _read_users()
    current = call_users_api("GET", "users/current")["user"]
    if not current["is_admin"]:
        raise UserError(
            f"{current['username']} is not an administrator: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD to those of one"
        )
    return users


def _check_exists(name: str, users: dict[str, Any]) -> None:
    if name not in users:
        raise UserError(f"there is no user {name!r}; there are: {', '.join(sorted(users))}")


def _ensure_role() -> int:
    """Return the id of the role, after creating it or adding missing permissions."""
    roles = call_users_api("GET", "roles/list", version=3, workspace=WORKSPACE)["roles"]
    role = next((role for role in roles if role["name"] == ROLE), None)
    if role is None:
        role = call_users_api("POST", "roles/create", version=3, workspace=WORKSPACE, name=ROLE)["role"]
    granted = {(each["resource_type"], each["resource_pattern"]) for each in role["permissions"]}
    for resource, permission in PERMISSIONS.items():
        if (resource, "*") not in granted:
            wanted = {"resource_type": resource, "resource_pattern": "*", "permission": permission}
            call_users_api("POST", "roles/permissions/add", version=3, role_id=role["id"], **wanted)
    return role["id"]


def _role_names(user: dict[str, Any]) -> list[str]:
    return [role["name"] for role in user["roles"]]


def _describe_rights(admin: bool, roles: list[str]) -> str:
    return "do everything" if admin else "train and promote" if ROLE in roles else "read"


def _show_password(name: str, password: str) -> None:
    """Print a password alone on standard output, so that it can be piped."""
    print(f"the password of {name}, shown only this once:", file=sys.stderr)
    print(password)


def call_users_api(method: str, path: str, version: int = 2, **fields: Any) -> dict[str, Any]:
    """Return the answer of the server's users API; raise an MlflowException when it refuses.

    http_request and verify_rest_response are those of MLflow 3.17; they are not part of its public interface.
    """
    endpoint = f"/api/{version}.0/mlflow/{path}"
    content = {"params" if method == "GET" else "json": fields}
    answer = http_request(get_default_host_creds(tracking_uri()), endpoint, method, **content)
    if answer.status_code == 404 and path == "users/list":
        raise UserError("this server has no login: start it with `mlflow server --app-name basic-auth`")
    return verify_rest_response(answer, endpoint).json()
