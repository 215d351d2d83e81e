"""python scripts/mlflow_users.py add amina
python scripts/mlflow_users.py add amina --admin
python scripts/mlflow_users.py list
python scripts/mlflow_users.py password amina
python scripts/mlflow_users.py remove amina

Manage the users of an MLflow server with a login. A new user's password is generated and shown once.

`add` gives the role `trainers`: a user with it may train and log runs in every experiment, and register, promote and
roll back every model, including those of others. An administrator may also delete what others made, and add users.
Run `add` again to give the role, or --admin, to an existing user. The server is that of MLFLOW_TRACKING_URI;
MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD are those of an administrator.
"""

import argparse
import sys

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and run the command; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    commands.add_parser("list", help="all users and what they may do")
    commands.add_parser("add", help="create a user, or give rights to an existing one").add_argument("name")
    commands.add_parser("password", help="generate a new password for a user").add_argument("name")
    commands.add_parser("remove", help="remove a user").add_argument("name")
    commands.choices["add"].add_argument("--admin", action="store_true", help="grant every right")
    args = parser.parse_args(argv)
    return run(lambda: run_command(args))


def run_command(args: argparse.Namespace) -> None:
    """Run one sub-command against the server."""
    from callcenterai.tracking import server_users

    if args.command == "list":
        server_users.list_users()
    elif args.command == "add":
        server_users.add_user(args.name, args.admin)
    elif args.command == "password":
        server_users.change_password(args.name)
    else:
        server_users.remove_user(args.name)


if __name__ == "__main__":
    sys.exit(main())
