"""python scripts/mlflow_users.py add amina
python scripts/mlflow_users.py add amina --admin
python scripts/mlflow_users.py list
python scripts/mlflow_users.py password amina
python scripts/mlflow_users.py remove amina

Say who may work with an MLflow server that asks for a login, and give each a password, which is shown once.

Whoever is added may train and log runs in every experiment, and register, promote and roll back every model, also
those of others: they get the role `trainers`. An administrator may also delete what is not theirs, and add people.
Add somebody again to give the role, or --admin, to a user who is there. The server is that of MLFLOW_TRACKING_URI;
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD are those of an administrator.
"""

import argparse
import secrets
import sys
from typing import Any

import _path  # noqa: F401
from callcenterai.core.cli import UserError, print_table, run

ROLE = "trainers"
# MLflow's one place for roles, as long as its workspaces are not in use.
WORKSPACE = "default"
# Taking the alias `staging` away from a version that goes on to Production counts as deleting for MLflow, so that who
# promotes has to be able to MANAGE the model. Training writes into experiments that somebody else has made.
RIGHTS = {"experiment": "EDIT", "registered_model": "MANAGE"}
# deploy/mlflow/team_server.py gives them the passwords of .env at every start.
SERVERS_OWN = ("admin", "services")
BYTES = 16


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and carry the command out; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("list", help="who is there, and what they may do")
    commands.add_parser("add", help="a new user").add_argument("name")
    commands.add_parser("password", help="a new one for a user").add_argument("name")
    commands.add_parser("remove", help="a user who works here no more").add_argument("name")
    commands.choices["add"].add_argument("--admin", action="store_true", help="may do everything")
    args = parser.parse_args(argv)
    return run(lambda: carry_out(args))


def carry_out(args: argparse.Namespace) -> None:
    """Connect to the server and carry the command out."""
    from callcenterai.tracking import store as tracking

    if not tracking.tracking_uri().startswith(("http://", "https://")):
        raise UserError("there are users on a server alone: set MLFLOW_TRACKING_URI to its address, http://...")
    name = getattr(args, "name", "")
    if name in SERVERS_OWN:
        raise UserError(f"{name} belongs to the server, which takes its password from .env at every start")
    with tracking.unreachable_is_said():
        tracking.make_client()
        people = {user["username"]: user for user in ask("GET", "users/list")["users"]}
        me = ask("GET", "users/current")["user"]
        if args.command != "list" and not me["is_admin"]:
            raise UserError(
                f"{me['username']} is no administrator: set MLFLOW_TRACKING_USERNAME and _PASSWORD to one's"
            )
        if args.command in ("password", "remove") and name not in people:
            raise UserError(f"there is no user {name!r}; there are: {', '.join(sorted(people))}")
        if args.command == "list":
            print_people(list(people.values()))
        elif args.command == "add":
            add(name, args.admin, people.get(name))
        elif args.command == "password":
            password = secrets.token_hex(BYTES)
            ask("PATCH", "users/update-password", username=name, password=password)
            show(name, password)
        else:
            ask("DELETE", "users/delete", username=name)
            print(f"{name} is removed", file=sys.stderr)


def add(name: str, admin: bool, there: dict[str, Any] | None) -> None:
    """Make a user, or take the one who is there, and give the role; the password of a new one is shown."""
    if not name or ":" in name or not name.isascii() or not name.isprintable():
        raise UserError(f"{name!r} is no user name: it may have no colon, and ASCII characters only")
    role = role_id()
    password = secrets.token_hex(BYTES)
    if there is None:
        ask("POST", "users/create", username=name, password=password)
    if there is None or ROLE not in roles_of(there):
        ask("POST", "roles/assign", version=3, username=name, role_id=role)
    if admin:
        ask("PATCH", "users/update-admin", username=name, is_admin=True)
    if there is None:
        show(name, password)
    else:
        print(f"{name} is there already, and keeps the password; now: {rights(admin, [ROLE])}", file=sys.stderr)


def role_id() -> int:
    """Return the id of the role, which is made, or given what it lacks, first."""
    roles = ask("GET", "roles/list", version=3, workspace=WORKSPACE)["roles"]
    role = next((role for role in roles if role["name"] == ROLE), None)
    if role is None:
        role = ask("POST", "roles/create", version=3, workspace=WORKSPACE, name=ROLE)["role"]
    there = {(right["resource_type"], right["resource_pattern"]) for right in role["permissions"]}
    for kind, permission in RIGHTS.items():
        if (kind, "*") not in there:
            right = {"resource_type": kind, "resource_pattern": "*", "permission": permission}
            ask("POST", "roles/permissions/add", version=3, role_id=role["id"], **right)
    return role["id"]


def print_people(people: list[dict[str, Any]]) -> None:
    """Print every user and what they may do."""
    rows = [(user["username"], rights(user["is_admin"], roles_of(user))) for user in people]
    print_table(("user", "may"), sorted(rows))


def roles_of(user: dict[str, Any]) -> list[str]:
    """Return the names of a user's roles."""
    return [role["name"] for role in user["roles"]]


def rights(admin: bool, roles: list[str]) -> str:
    """Return in words what somebody may do."""
    return "do everything" if admin else "train and promote" if ROLE in roles else "read"


def show(name: str, password: str) -> None:
    """Show a password, alone on standard output."""
    print(f"the password of {name}, which is shown this once:", file=sys.stderr)
    print(password)


def ask(method: str, path: str, version: int = 2, **fields: Any) -> dict[str, Any]:
    """Return what the server's login answers; an MlflowException when it refuses."""
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    from callcenterai.tracking.store import tracking_uri

    endpoint = f"/api/{version}.0/mlflow/{path}"
    given = {"params" if method == "GET" else "json": fields}
    answer = http_request(get_default_host_creds(tracking_uri()), endpoint, method, **given)
    if answer.status_code == 404 and path == "users/list":
        raise UserError("this server asks nobody for a login: `mlflow server --app-name basic-auth` is one that does")
    return verify_rest_response(answer, endpoint).json()


if __name__ == "__main__":
    sys.exit(main())
