"""Change parameters in the text of params.yaml, where only the characters of a value are replaced."""

import json
from pathlib import Path
from typing import Any

import yaml

from callcenterai.core.cli import UserError
from callcenterai.core.files import write_bytes
from callcenterai.core.params import read_yaml


def set_parameters(path: Path, assignments: list[str]) -> None:
    """Apply the assignments in order; the file is written once, and only when something changes."""
    try:
        # Not read_text(), which would turn the line ends of a Windows checkout into others.
        before = text = path.read_bytes().decode("utf-8")
        for assignment in assignments:
            name, assigned, value = assignment.partition("=")
            text = replace(text, name, value, path) if assigned else show(text, name, path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from None
    if text != before:
        write_bytes(path, text.encode())


def show(text: str, name: str, path: Path) -> str:
    """Print the parameter as it stands and return text as it came."""
    print(as_yaml(find(text, name, path)[1]))
    return text


def replace(text: str, name: str, value: str, path: Path) -> str:
    """Return text with the parameter's value replaced, and say what changed."""
    node, old = find(text, name, path)
    new = value if isinstance(old, str) else read_value(name, value)
    if new == old and type(new) is type(old):
        return text
    start, end = node.start_mark.index, node.end_mark.index
    space = " " if text[start - 1] == ":" else ""
    edited = text[:start] + space + as_yaml(new) + text[end:]
    # A value in a form that cannot be replaced in place, such as one with an anchor, must not damage the file.
    if as_data(edited) != changed(as_data(text), name.split("."), new):
        raise UserError(f"{name} cannot be replaced in {path} as it is written there; change it in an editor")
    print(f"{name}: {as_yaml(old)} -> {as_yaml(new)}")
    return edited


def read_value(name: str, value: str) -> Any:
    """Return what a value on the command line says in YAML."""
    try:
        return read_yaml(value)
    except ValueError:
        raise UserError(f"{name}: {value!r} is not valid YAML") from None


def find(text: str, name: str, path: Path) -> tuple[yaml.Node, Any]:
    """Return where a parameter stands in the text, and its value."""
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
    """Return the keys and values of a mapping, nothing for any other node."""
    return node.value if isinstance(node, yaml.MappingNode) else []


def as_data(text: str) -> Any:
    """Return what the YAML says, or None when it says nothing valid."""
    try:
        return read_yaml(text)
    except ValueError:
        return None


def changed(data: dict, keys: list[str], value: Any) -> dict:
    """Return nested mappings with one value replaced."""
    rest = changed(data[keys[0]], keys[1:], value) if len(keys) > 1 else value
    return data | {keys[0]: rest}


def as_yaml(value: Any) -> str:
    """Return a value as YAML of one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=float("inf"))
    text = text.removesuffix("...\n").strip()
    # PyYAML sees no number in 1e5 and leaves the quotes out, without which it would be read back as one.
    return text if read_yaml(text) == value else json.dumps(value, ensure_ascii=False)
