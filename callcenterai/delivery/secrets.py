"""The secrets of a stack: which ones compose.yaml needs, and the .env file that holds them."""

import re
import secrets
import sys
from pathlib import Path

from callcenterai.core.files import write_bytes

# The secrets without which compose.yaml refuses to start, and their use. All values are letters and digits, because
# some become part of a URL. Written as pairs: bandit takes a text beside such a name in a dict for the password.
_USES = (
    ("POSTGRES_PASSWORD", "PostgreSQL's administrator"),
    ("MLFLOW_DB_PASSWORD", "the database of MLflow"),
    ("MLFLOW_ADMIN_PASSWORD", "admin logs in to MLflow with it"),
    ("MLFLOW_READER_PASSWORD", "the services read MLflow's registry with it"),
    ("MLFLOW_SECRET_KEY", "signs the forms of MLflow's pages"),
    ("AGENT_DB_PASSWORD", "the database of the agent"),
    ("TFIDF_API_KEY", "the agent sends it to the TF-IDF service"),
    ("TRANSFORMER_API_KEY", "the agent sends it to the transformer service"),
    ("AGENT_API_KEY", "the pages and other programs send it to the agent"),
    ("WEB_PASSWORD", "people log in to the pages with it"),
    ("SESSION_SECRET", "signs the sessions of the pages"),
    ("GRAFANA_PASSWORD", "admin logs in to Grafana with it"),
)
SECRETS = dict(_USES)
BYTES = 24
HEADER = "# Made by scripts/make_secrets.py for compose.yaml. Anyone who can read this file can use the stack.\n"
ASSIGNMENT = re.compile(r"(?:export\s+)?(\w+)\s*=\s*(.*?)\s*")


def parse_env(text: str) -> dict[str, str]:
    """Return the values of a .env file by name, read as `docker compose` reads it; other lines are ignored."""
    found = (ASSIGNMENT.fullmatch(line.strip()) for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {match[1]: _unquote(match[2]) for match in found if match}


def write_secrets(path: Path) -> None:
    """Write the file, or add the missing secrets to an existing one."""
    before = path.read_text(encoding="utf-8") if path.exists() else None
    existing = parse_env(before or "")
    missing = [name for name in SECRETS if not existing.get(name)]
    if not missing:
        print(f"{path} has its {len(SECRETS)} secrets already and stays as it is", file=sys.stderr)
        return
    text = (HEADER if before is None else _end_last_line(before)) + _new_secrets(missing)
    # resolve(): write through a symbolic link, do not replace it.
    write_bytes(path.resolve(), text.encode(), private=True)
    done = "people log in to the pages with WEB_PASSWORD" if before is None else f"added {', '.join(missing)}"
    print(f"{path}: {len(SECRETS)} secrets; {done}", file=sys.stderr)


def _new_secrets(names: list[str]) -> str:
    """Return a line with a new secret for each name, below a comment that tells its use."""
    return "".join(f"# {SECRETS[name]}\n{name}={secrets.token_hex(BYTES)}\n" for name in names)


def _end_last_line(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _unquote(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted else value
