"""Reads prepare.label_map and prepare.label_map_file, which rename, merge and drop classes."""

from pathlib import Path

import yaml

from callcenterai.core.cli import UserError
from callcenterai.core.params import PrepareParameters
from callcenterai.formats.reader import ReadOptions, open_tickets

YAML = (".yaml", ".yml", ".json")
# First rows of a CSV that are a header, in lower case.
HEADERS = (["label", "class"], ["from", "to"], ["old", "new"])
DROPPED = ("", "null", "~")


def read_label_map(params: PrepareParameters) -> dict[str, str | None]:
    """Return the new name of each label that has an entry, None to drop it; params.yaml goes before the file."""
    from_file: dict[str, str | None] = {}
    if path := params.label_map_path:
        try:
            from_file = _read_file(path)
        except UserError as error:
            raise UserError(f"prepare.label_map_file: {error}") from None
    entries = {old.strip(): new for old, new in params.label_map.items()}
    entries |= {old: new for old, new in from_file.items() if old not in entries}
    return {old: (new or "").strip() or None for old, new in entries.items()}


def _read_file(path: Path) -> dict[str, str | None]:
    pairs = _yaml_pairs(path) if path.suffix.lower() in YAML else _table_pairs(path)
    found: dict[str, str | None] = {}
    for old, new in pairs:
        value = None if new in DROPPED else new
        if found.setdefault(old.strip(), value) != value:
            raise UserError(f"{path} names {old!r} twice, with different classes; keep one of them")
    return found


def _yaml_pairs(path: Path) -> list[tuple[str, str]]:
    """Return the pairs of a mapping, each scalar as it is written: NO is not False, and 1.10 is not 1.1."""
    try:
        content = yaml.compose(path.read_text(encoding="utf-8-sig"), yaml.SafeLoader)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not UTF-8; save it as UTF-8") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    pairs = content.value if isinstance(content, yaml.MappingNode) else []
    if (content and not pairs) or not all(isinstance(each, yaml.ScalarNode) for pair in pairs for each in pair):
        raise UserError(f"{path} must hold lines such as `old label: new label`; an empty new label drops the class")
    return [(old.value, new.value) for old, new in pairs]


def _table_pairs(path: Path) -> list[tuple[str, str]]:
    """Return the pairs of a table of two columns, in any form in which a file of tickets may be."""
    rows = []
    with open_tickets(path, options=ReadOptions(header=False)) as file:
        for number, values, _, raw in file.rows():
            if values is None:
                raise UserError(f"{path}: row {number}, {raw!r}, cannot be read; it needs two columns, label and class")
            rows.append([(cell or "").strip() for cell in values])
    rows = rows[1:] if [cell.lower() for cell in rows[0]] in HEADERS else rows
    for row in rows:
        if len(row) != 2:
            raise UserError(
                f"{path}: the row that begins with {row[0]!r} has {len(row)} columns and needs 2, label and class; "
                "an empty class drops the label"
            )
    return [(old, new) for old, new in rows]
