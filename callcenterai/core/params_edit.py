"""Edits parameters in the text of params.yaml: only the characters of a value are replaced, comments stay."""

import json
from pathlib import Path
from typing import Any

import yaml

from callcenterai.core.cli import UserError
from callcenterai.core.files import write_bytes
from callcenterai.core.params import read_yaml


def edit_params_file(path: Path, assignments: list[str]) -> None:
    """Apply assignments, each SECTION.NAME=VALUE to change or SECTION.NAME to print, in order.

    The file is written once, and only if something changes.
    """
    try:
        # Not read_text(), which would change the line ends of a Windows checkout.
        before = text = path.read_bytes().decode("utf-8")
        for assignment in assignments:
            name, assigned, value = assignment.partition("=")
            text = replace_value(text, name, value, path) if assigned else print_value(text, name, path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if text != before:
        write_bytes(path, text.encode())


def set_values(path: Path, values: dict[str, Any]) -> None:
    """Give parameters, named SECTION.NAME, values of any type; the file is written once, only if something changes."""
    try:
        before = text = path.read_bytes().decode("utf-8")
        for name, value in values.items():
            text = put_value(text, name, value, path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if text != before:
        write_bytes(path, text.encode())


def print_value(text: str, name: str, path: Path) -> str:
    """Print the value of a parameter and return text unchanged."""
    print(as_yaml(find_value(text, name, path)[1]))
    return text


def replace_value(text: str, name: str, value: str, path: Path) -> str:
    """Return text with the value of a parameter replaced by one from the command line, and print the change."""
    _, old = find_value(text, name, path)
    return put_value(text, name, value if isinstance(old, str) and old != "auto" else read_value(name, value), path)


def put_value(text: str, name: str, new: Any, path: Path) -> str:
    """Return text with the value of a parameter replaced, and print the change."""
    node, old = find_value(text, name, path)
    if new == old and type(new) is type(old):
        return text
    before, end = text[: node.start_mark.index], find_end(node)
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        # A block begins on a line of its own.
        before = before.rstrip()
    space = " " if before.endswith(":") else ""
    edited = before + space + as_yaml(new) + text[end:]
    # Some values cannot be replaced in place, such as one with an anchor: check that nothing else has changed.
    if as_data(edited) != with_value(as_data(text), name.split("."), new):
        raise UserError(f"{name} cannot be replaced in {path} as it is written there; change it in an editor")
    print(f"{name}: {as_yaml(old)} -> {as_yaml(new)}")
    return edited


def find_end(node: yaml.Node) -> int:
    """Return where a value ends; PyYAML ends a block only before the next key, after the comments between them."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return find_end(last[1] if isinstance(last, tuple) else last)
    return node.end_mark.index


def read_value(name: str, value: str) -> Any:
    """Return the content of a value on the command line, which is YAML."""
    try:
        return read_yaml(value)
    except ValueError:
        raise UserError(f"{name}: {value!r} is not valid YAML") from None


def find_value(text: str, name: str, path: Path) -> tuple[yaml.Node, Any]:
    """Return the position of a parameter's value in the text as a node, and the value."""
    nodes = {
        f"{section.value}.{key.value}": value
        for section, content in entries(yaml.compose(text, yaml.SafeLoader))
        for key, value in entries(content)
    }
    if name not in nodes:
        raise UserError(f"{name!r} is not a parameter of {path}; known are {', '.join(nodes) or 'none'}")
    section, key = name.split(".", 1)
    return nodes[name], as_data(text)[section][key]


def entries(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return the keys and values of a mapping; an empty list for any other node."""
    return node.value if isinstance(node, yaml.MappingNode) else []


def as_data(text: str) -> Any:
    """Return the content of a YAML text, or None when it is not valid."""
    try:
        return read_yaml(text)
    except ValueError:
        return None


def with_value(data: dict, keys: list[str], value: Any) -> dict:
    """Return nested mappings with one value replaced, that at the path of keys."""
    rest = with_value(data[keys[0]], keys[1:], value) if len(keys) > 1 else value
    return data | {keys[0]: rest}


def as_yaml(value: Any) -> str:
    """Return a value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"))
    text = text.removesuffix("...\n").strip()
    # PyYAML writes the text 1e5 without quotes, because YAML 1.1 sees no number in it; read_yaml would read a number.
    return text if read_yaml(text) == value else json.dumps(value, ensure_ascii=False)
