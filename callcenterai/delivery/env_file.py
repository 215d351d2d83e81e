"""Files of NAME=value lines, as `docker compose` reads them: .env and images.env."""

import re

LINE = re.compile(r"(?:export\s+)?(\w+)\s*=\s*(.*?)\s*")


def parse_env(text: str) -> dict[str, str]:
    """Return the values by name; a comment, an empty line and what is no assignment say nothing."""
    found = (LINE.fullmatch(line.strip()) for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {match[1]: _unquoted(match[2]) for match in found if match}


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value
