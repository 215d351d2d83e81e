"""python scripts/make_secrets.py .env

Write a file of random secrets for compose.yaml, which `docker compose` reads when it is called .env.

A file that is there is left as it is: PostgreSQL and Grafana keep the passwords with which they were first started, so
new ones would lock the services out. The file is for its owner alone, as far as the operating system knows owners.
"""

import argparse
import os
import secrets
import sys
from pathlib import Path

from cli import UserError, run

# What compose.yaml refuses to start without, and whose it is. All are letters and digits: some stand in an address.
# Pairs, since bandit takes a text beside such a name for the password itself.
SECRETS = dict(
    (
        ("POSTGRES_PASSWORD", "PostgreSQL's administrator"),
        ("MLFLOW_DB_PASSWORD", "the database of MLflow"),
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


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and write the file; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the file to write, usually .env")
    args = parser.parse_args(argv)
    return run(lambda: write_secrets(args.file))


def write_secrets(path: Path) -> None:
    """Write the file; a UserError when there is one."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise UserError(f"{path} is there already and stays as it is; name another file to have new secrets") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content())
    except OSError:
        path.unlink()
        raise
    print(f"{path}: {len(SECRETS)} secrets; people log in to the pages with WEB_PASSWORD", file=sys.stderr)


def content() -> str:
    """Return the file's text, with other secrets each time."""
    lines = ["# Made by scripts/make_secrets.py for compose.yaml. Whoever can read it can use the stack."]
    for name, whose in SECRETS.items():
        lines += [f"# {whose}", f"{name}={secrets.token_hex(BYTES)}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
