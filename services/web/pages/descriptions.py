"""What belongs into each category, in the words of the desk: a YAML file that maps names to texts."""

from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

DESCRIPTIONS = TypeAdapter(dict[str, str])


def read_descriptions(path: Path | None) -> dict[str, str]:
    """Return the description of each category, none without a file; a ValueError when the file cannot be used."""
    if path is None:
        return {}
    try:
        return DESCRIPTIONS.validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ValueError(f"CATEGORY_DESCRIPTIONS: {path} cannot be read ({type(error).__name__})") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValidationError):
        raise ValueError(f"CATEGORY_DESCRIPTIONS: {path} is no YAML that maps categories to texts") from None
