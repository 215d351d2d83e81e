"""Which modules of the repository import which others, read from the source without running it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from support.repository import REPOSITORY

# The packages whose modules are followed.
PACKAGES = ("callcenterai", "services")


def import_statements(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the import statements of a tree, those inside functions included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def imported_names(path: Path) -> set[str]:
    """Return the dotted names that a file imports: `from a import b` gives both a and a.b, which may be a module."""
    names = set()
    for node in import_statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
            continue
        module = node.module or ""
        if node.level:
            folder = path.parents[node.level - 1].relative_to(REPOSITORY)
            module = ".".join(filter(None, [*folder.parts, module]))
        names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def imported_files(path: Path) -> set[Path]:
    """Return the repository's own modules that a file imports itself."""
    names = (name for name in imported_names(path) if name.partition(".")[0] in PACKAGES)
    candidates = {REPOSITORY / name.replace(".", "/") for name in names}
    modules = {each.with_suffix(".py") for each in candidates} | {each / "__init__.py" for each in candidates}
    return {module for module in modules if module.is_file()} - {path}


def all_imported_files(path: Path) -> set[Path]:
    """Return a file and all modules of the repository that it imports, directly or through another."""
    seen: set[Path] = set()
    waiting = [path]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += imported_files(module)
    return seen


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the repository."""
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
