"""python scripts/mlflow_registry.py list
python scripts/mlflow_registry.py register
python scripts/mlflow_registry.py staging
python scripts/mlflow_registry.py production
python scripts/mlflow_registry.py rollback --reason "wrong queue for VPN tickets"

Decide which version of a model serves: None -> Staging -> Production -> Archived.

read:
  list                     every version with its stage and figures
  show VERSION             one version: figures, parameters, origin, history
  diff VERSION VERSION     parameters and metrics side by side
  history                  who moved what, when and why
  check VERSION            would the gates let it into Production? changes nothing; exit code 3 if not
  export VERSION FOLDER    model and metadata, hashes checked, for a service without a registry
  doctor                   check database, history, stages, files and DVC's cache; mend what has one safe remedy

change:
  register                 make a version of the best finished run, or of --run-id
  staging [VERSION]        put a version, by default the newest, into Staging
  production [VERSION]     put a version, by default the one in Staging, into Production, through the gates
  archive VERSION          retire a version; the one in Production cannot be archived
  rollback                 put the previous Production back
  bootstrap                register, staging and production in one, unless a version is in Production

VERSION is a number, `production` or `staging`. `COMMAND --help` shows the options. Section `registry` of params.yaml
sets the gates, MLFLOW_TRACKING_URI the registry. Exit codes: 0 done, 2 an error that you can correct, 3 a gate refused.
"""

import argparse
import sys
from pathlib import Path

import _path  # noqa: F401  # it puts the package on the path
from callcenterai.artifact.folder import KINDS
from callcenterai.core.cli import run


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and run the command; return the exit code."""
    options = parse(argv)
    return run(lambda: run_command(options))


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Return the options of one command."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--model", choices=KINDS, default="tfidf", help="default: %(default)s")
    checking = argparse.ArgumentParser(add_help=False)
    checking.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: %(default)s")
    checking.add_argument("--data", type=Path, default=Path("data/processed"), help="default: %(default)s")
    reading = argparse.ArgumentParser(add_help=False)
    reading.add_argument("--json", action="store_true", help="for programs")
    recorded = argparse.ArgumentParser(add_help=False)
    recorded.add_argument("--reason", help="kept in the history")
    recorded.add_argument("--by", help="who makes the change; default: git's user.name, or the system's user")
    changing = argparse.ArgumentParser(add_help=False, parents=[recorded])
    changing.add_argument("--dry-run", action="store_true", help="check and show what would be done; change nothing")
    gated = argparse.ArgumentParser(add_help=False)
    gated.add_argument("--force", action="store_true", help="pass a gate that refuses; needs --reason; is recorded")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[common, *parents])

    for name in ("list", "history", "doctor"):
        add(name, reading)
    add("show", reading).add_argument("version")
    add("diff", reading).add_argument("version", nargs=2)
    check, export = add("check", reading, checking), add("export", reading)
    for one in (check, export):
        one.add_argument("version")
    check.add_argument("--database", help="the agent's: also compare with Production on live tickets; default: do not")
    export.add_argument("folder", type=Path)
    add("register", checking, changing).add_argument("--run-id", help="default: the best by registry.metric")
    for name in ("staging", "production"):
        named = add(name, checking, changing, gated).add_mutually_exclusive_group()
        named.add_argument("version", nargs="?", default=argparse.SUPPRESS)
        named.add_argument("--version", dest="version", help="the same")
    add("archive", checking, changing).add_argument("version")
    add("rollback", checking, changing, gated)
    add("bootstrap", checking, recorded)
    return parser.parse_args(argv)


def run_command(options: argparse.Namespace) -> int:
    """Run one command; return 3 if a gate refuses, else 0."""
    from callcenterai.registry.commands import run_registry_command

    return run_registry_command(options)


if __name__ == "__main__":
    sys.exit(main())
