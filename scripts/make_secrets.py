"""python scripts/make_secrets.py .env

Write a file of random secrets for compose.yaml, which `docker compose` reads when it is called .env.

A file that is there keeps what it has, and gets the secrets that it lacks, such as those of a newer version: PostgreSQL
and Grafana keep the passwords with which they were first started, so new ones would lock the services out. The file is
for its owner alone, as far as the operating system knows owners.
"""

import argparse
import secrets
import sys
from pathlib import Path

import _path  # noqa: F401
from callcenterai.core.cli import run
from callcenterai.core.files import write_bytes
from callcenterai.delivery.env_file import parse_env

# What compose.yaml refuses to start without, and whose it is. All are letters and digits: some stand in an address.
# Pairs, since bandit takes a text beside such a name for the password itself.
SECRETS = dict(
    (
        ("POSTGRES_PASSWORD", "PostgreSQL's administrator"),
        ("MLFLOW_DB_PASSWORD", "the database of MLflow"),
        ("MLFLOW_ADMIN_PASSWORD", "with which admin logs in to MLflow"),
        ("MLFLOW_READER_PASSWORD", "with which the services read MLflow's registry"),
        ("MLFLOW_SECRET_KEY", "signs the forms of MLflow's pages"),
        ("AGENT_DB_PASSWORD", "the database of the agent"),
        ("TFIDF_API_KEY", "with which the agent asks the TF-IDF service"),
        ("TRANSFORMER_API_KEY", "with which it asks the transformer"),
        ("AGENT_API_KEY", "with which the pages and other programs ask the agent"),
        ("WEB_PASSWORD", "with which people log in to the pages"),
        ("SESSION_SECRET", "signs the sessions of the pages"),
        ("GRAFANA_PASSWORD", "with which admin logs in to Grafana"),
    )
)
BYTES = 24
HEAD = "# Made by scripts/make_secrets.py for compose.yaml. Whoever can read it can use the stack.\n"


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and write the file; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the file to write, usually .env")
    args = parser.parse_args(argv)
    return run(lambda: write_secrets(args.file))


def write_secrets(path: Path) -> None:
    """Write the file, or add to it what it lacks."""
    before = path.read_text(encoding="utf-8") if path.exists() else None
    there = parse_env(before or "")
    missing = [name for name in SECRETS if not there.get(name)]
    if not missing:
        print(f"{path} has its {len(SECRETS)} secrets already and stays as it is", file=sys.stderr)
        return
    text = (HEAD if before is None else with_line_end(before)) + lines_of(missing)
    # Into the file itself where .env is a link to it.
    write_bytes(path.resolve(), text.encode(), private=True)
    told = "people log in to the pages with WEB_PASSWORD" if before is None else f"added {', '.join(missing)}"
    print(f"{path}: {len(SECRETS)} secrets; {told}", file=sys.stderr)


def lines_of(names: list[str]) -> str:
    """Return a line with a new secret for each name, below one that says whose it is."""
    return "".join(f"# {SECRETS[name]}\n{name}={secrets.token_hex(BYTES)}\n" for name in names)


def with_line_end(text: str) -> str:
    """Return the text so that another line can follow."""
    return text if not text or text.endswith("\n") else text + "\n"


if __name__ == "__main__":
    sys.exit(main())
