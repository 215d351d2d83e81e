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

from cli import UserError, run

if TYPE_CHECKING:
    from promotion import Desk, Plan
    from registry import Change, Move, State, Version

# The registered model of each kind, and the experiment whose runs it comes from.
MODELS = {
    "tfidf": ("callcenterai-tfidf-classifier", "callcenterai-tfidf-classification"),
    "transformer": ("callcenterai-transformer-classifier", "callcenterai-transformer-classification"),
}


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and carry the command out; return the exit code."""
    options = parse(argv)
    return run(lambda: carry_out(options))


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Return the options of one command."""
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument("--model", choices=MODELS, default="tfidf", help="default: %(default)s")
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

    import tracking

    with tracking.unreachable_is_said():
        from promotion import Refused
        from registry_reports import COMMANDS

        try:
            return COMMANDS.get(options.command, change)(make_desk(options), options)
        except Refused as refusal:
            for verdict in refusal.verdicts:
                if not verdict.passed:
                    print(f"refused: {verdict.gate}: {verdict.message}", file=sys.stderr)
            return 3


def make_desk(options: argparse.Namespace) -> "Desk":
    """Return where the command works: the registered model, the gates' parameters and the test data."""
    import tracking
    from parameters import RegistryParameters, read_parameters
    from promotion import Desk
    from registry import Registry

    params = read_parameters(options.params, "registry", RegistryParameters) if hasattr(options, "params") else None
    name, experiment = MODELS[options.model]
    if options.model == "tfidf":
        experiment = tracking.experiment_name()
    uri = tracking.existing_store()
    registry = Registry(tracking.make_client(), name, uri, tracking.ROOT)
    return Desk(registry, params, getattr(options, "data", None), experiment)


def change(desk: "Desk", options: argparse.Namespace) -> int:
    """Carry out a command that changes the registry and say what was done."""
    if options.command == "register":
        return register(desk, options)
    import promotion

    number = getattr(options, "version", None)

    def moves(state: "State") -> "tuple[Move, ...]":
        chosen = None if number is None else find(state, number).number
        if options.command == "rollback":
            return promotion.to_previous(state)
        return getattr(promotion, f"to_{options.command}")(state, chosen)

    checks = {"staging": desk.for_staging, "production": desk.for_production, "rollback": desk.for_rollback}
    check = checks.get(options.command, lambda state, planned: [])
    made = desk.carry_out(plan_of(options, moves), check, getattr(options, "force", False), options.dry_run)
    if made is None:
        print(f"nothing to do: version {number or ''} is there already".replace("  ", " "))
    else:
        say(made, options.dry_run)
    return 0


def plan_of(options: argparse.Namespace, moves_of: "object") -> "Plan":
    """Return the function that turns a state into the change that the options ask for."""
    from dataclasses import replace

    from registry import Change

    asked = Change(options.command, (), options.by or user(), options.reason)

    def plan(state: "State") -> "Change | None":
        moves = moves_of(state)
        if not moves:
            return None
        return replace(asked, moves=moves, **described(state.find(moves[0].version).tags))

    return plan


def described(tags: dict[str, str]) -> dict:
    """Return what the history keeps of a version beside its moves: commit and metrics."""
    metrics = {name: float(tags[name]) for name in ("accuracy", "macro_f1") if name in tags}
    return {"commit": tags.get("git_commit") or None, "metrics": metrics}


def register(desk: "Desk", options: argparse.Namespace) -> int:
    """Make a version of the best run, or of the one named; one run never becomes two versions."""
    from promotion import best_run, named_run, source_of
    from registry import NONE, Change, Move

    client = desk.registry.client
    if options.run_id:
        chosen = named_run(client, options.run_id)
    else:
        chosen = best_run(client, desk.experiment, desk.params.metric)
    source, run_id = source_of(chosen), chosen.info.run_id
    if options.dry_run:
        there = desk.registry.state().of_run(run_id)
        print(f"run {run_id} {f'is version {there.number} already' if there else 'would be registered'}")
        return 0
    desk.registry.create()
    with desk.registry.locked() as state:
        if there := state.of_run(run_id):
            print(f"run {run_id} is version {there.number} already")
            return 0
        asked = Change("register", (Move(None, None, NONE),), options.by or user(), options.reason, run_id=run_id)
        from dataclasses import replace

        made = desk.registry.make(replace(asked, **described(source["tags"])), state, source)
    print(f"version {made.moves[0].version} of {desk.registry.name} is run {run_id}: next, `staging`")
    return 0


def say(made: "Change", dry_run: bool) -> None:
    """Say on stdout what was, or would be, done."""
    for move in made.moves:
        print(f"version {move.version}: {move.origin} -> {move.target}{', if it were done' if dry_run else ''}")
    if made.forced:
        print(f"passed by force: {', '.join(made.refused_by)}", file=sys.stderr)


def find(state: "State", version: str) -> "Version":
    """Return the version that a number or a stage's name stands for."""
    stage = version.capitalize()
    if stage in ("Production", "Staging"):
        holder = state.holder(stage)
        if holder is None:
            raise UserError(f"no version is in {stage}; `list` shows where each one is")
        return holder
    if not version.isascii() or not version.isdigit():
        raise UserError(f"{version!r} is not a version: give a number, `production` or `staging`")
    return state.find(int(version))


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
