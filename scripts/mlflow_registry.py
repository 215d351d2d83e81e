"""python scripts/mlflow_registry.py list
python scripts/mlflow_registry.py register
python scripts/mlflow_registry.py staging
python scripts/mlflow_registry.py production
python scripts/mlflow_registry.py rollback --reason "wrong queue for VPN tickets"

Decide which version of a model serves: None -> Staging -> Production -> Archived.

read:
  list                     every version with its stage and figures
  show VERSION             one version: figures, parameters, where it comes from, what happened to it
  diff VERSION VERSION     parameters and metrics side by side
  history                  who moved what, when and why
  check VERSION            would the gates let it into Production? changes nothing; exit code 3 when not
  export VERSION FOLDER    model and metadata, hash checked, for a service without a registry

change:
  register                 make a version of the best finished run, or of --run-id
  staging                  put the newest version, or --version, into Staging
  production               put the version in Staging into Production, through the gates
  archive VERSION          retire a version; the one in Production cannot be
  rollback                 back to the Production before this one

VERSION is a number, or `production` or `staging`. `COMMAND --help` shows the options. The gates are set in
params.yaml, section `registry`; the registry is that of MLFLOW_TRACKING_URI, by default mlflow.db. Exit codes: 0 done,
2 something to mend (one line says what), 3 a gate refused.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import _path  # noqa: F401
from callcenterai.artifact.folder import KINDS
from callcenterai.core.cli import UserError, run

if TYPE_CHECKING:
    from callcenterai.registry.promotion import Desk
    from callcenterai.registry.store import Change, State


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and carry the command out; return the exit code."""
    options = parse(argv)
    return run(lambda: carry_out(options))


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Return the options of one command."""
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument("--model", choices=KINDS, default="tfidf", help="default: %(default)s")
    judging = argparse.ArgumentParser(add_help=False)
    judging.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    judging.add_argument(
        "--data", type=Path, default=Path("data/processed"), help="folder with test.csv; default: %(default)s"
    )
    reading = argparse.ArgumentParser(add_help=False)
    reading.add_argument("--json", action="store_true", help="for programs")
    changing = argparse.ArgumentParser(add_help=False)
    changing.add_argument("--reason", help="kept in the history")
    changing.add_argument("--by", help="who does it; default: git's user.name, or the system's user")
    changing.add_argument("--dry-run", action="store_true", help="check and say what would be done, change nothing")
    gated = argparse.ArgumentParser(add_help=False)
    gated.add_argument("--force", action="store_true", help="pass a gate that refuses; needs --reason, and is recorded")

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[everywhere, *parents])

    add("list", reading)
    add("show", reading).add_argument("version")
    add("diff", reading).add_argument("version", nargs=2)
    add("history", reading)
    add("check", reading, judging).add_argument("version")
    export = add("export", reading)
    export.add_argument("version")
    export.add_argument("folder", type=Path)
    add("register", judging, changing).add_argument("--run-id", help="default: the best by registry.metric")
    for name in ("staging", "production"):
        add(name, judging, changing, gated).add_argument("--version")
    add("archive", judging, changing).add_argument("version")
    add("rollback", judging, changing, gated)
    return parser.parse_args(argv)


def carry_out(options: argparse.Namespace) -> int:
    """Connect to the registry and carry the command out; return the exit code."""
    if getattr(options, "force", False) and not options.reason:
        raise UserError("--force needs --reason: the history must say why a gate was passed")

    from callcenterai.tracking import store as tracking

    with tracking.unreachable_is_said():
        from callcenterai.registry.gates import Refused
        from callcenterai.registry.reports import COMMANDS

        try:
            commands = COMMANDS | {"register": register}
            return commands.get(options.command, move)(make_desk(options), options)
        except Refused as refusal:
            for verdict in refusal.verdicts:
                if not verdict.passed:
                    print(f"refused: {verdict.gate}: {verdict.message}", file=sys.stderr)
            return 3


def make_desk(options: argparse.Namespace) -> "Desk":
    """Return where the command works: the registered model, the gates' parameters and the test data."""
    from callcenterai.core.params import RegistryParameters, read_parameters
    from callcenterai.registry.promotion import Desk
    from callcenterai.registry.store import Registry
    from callcenterai.tracking import store as tracking

    params = read_parameters(options.params, "registry", RegistryParameters) if hasattr(options, "params") else None
    database = tracking.local_database()
    # MLflow would make an empty one, and take seconds for it.
    if database and not database.is_file():
        raise UserError(f"{database}: no such file; `{KINDS[options.model].command}` trains a model and makes it")
    registry = Registry(tracking.make_client(), KINDS[options.model].registered, database, tracking.ROOT)
    return Desk(registry, params, getattr(options, "data", None), tracking.experiment_name(options.model))


def register(desk: "Desk", options: argparse.Namespace) -> int:
    """Make a version of the best run, or of the one named, and say which it is."""
    from callcenterai.registry.promotion import best_run, named_run
    from callcenterai.registry.store import Change

    client = desk.registry.client
    run = named_run(client, options.run_id) if options.run_id else best_run(client, desk.experiment, desk.params.metric)
    asked = Change("register", (), options.by or user(), options.reason)
    number, new = desk.register(run, asked, options.dry_run)
    if not new:
        print(f"run {run.info.run_id} is version {number} already")
    elif options.dry_run:
        print(f"run {run.info.run_id} would be registered")
    else:
        print(f"version {number} of {desk.registry.name} is run {run.info.run_id}: next, `staging`")
    return 0


def move(desk: "Desk", options: argparse.Namespace) -> int:
    """Carry out a command that moves a version to another stage, and say what was done."""
    from dataclasses import replace

    from callcenterai.registry import stage_moves
    from callcenterai.registry.promotion import described
    from callcenterai.registry.store import Change

    # Which moves the command means, and what the version must show before.
    moves_to, check = {
        "staging": (stage_moves.to_staging, desk.for_staging),
        "production": (stage_moves.to_production, desk.for_production),
        "archive": (stage_moves.to_archive, lambda state, planned: []),
        "rollback": (stage_moves.to_previous, desk.for_rollback),
    }[options.command]
    asked = Change(options.command, (), options.by or user(), options.reason)

    name = getattr(options, "version", None)

    def plan(state: "State") -> "Change | None":
        moves = moves_to(state, name)
        if not moves:
            return None
        return replace(asked, moves=moves, **described(state.versions[moves[0].version].tags))

    resumes = None if name else options.command
    made = desk.carry_out(plan, check, getattr(options, "force", False), options.dry_run, resumes)
    if made is None:
        print("nothing to do: the version is there already")
    else:
        say(made, options.dry_run)
    return 0


def say(made: "Change", dry_run: bool) -> None:
    """Say on stdout what was, or would be, done."""
    for move in made.moves:
        print(f"version {move.version}: {move.origin} -> {move.target}{', if it were done' if dry_run else ''}")
    if made.forced:
        print(f"passed by force: {', '.join(made.refused_by)}", file=sys.stderr)


def user() -> str:
    """Return who works here: git's user.name or, without one, the system's user."""
    import getpass
    import subprocess

    try:
        named = subprocess.run(["git", "config", "user.name"], capture_output=True, text=True, timeout=10)
        if named.stdout.strip():
            return named.stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        pass  # git is not needed for anything else here
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise UserError("this system does not say who you are: name yourself with --by") from None


if __name__ == "__main__":
    sys.exit(main())
