"""The repository keeps its shape: imports go downwards, folders stay small, and commands do no work of their own."""

import ast
from pathlib import Path

import pytest

from support.imports import all_imported_files, import_statements, imported_files, imported_names, module_name
from support.repository import PACKAGE, REPOSITORY, SCRIPTS

SERVICES = REPOSITORY / "services"
COMMANDS = sorted(path for path in SCRIPTS.glob("*.py") if path.name != "_path.py")
# The subjects of callcenterai, the highest first: each may import those in the rows below its own.
LAYERS = (
    ("delivery", "search"),
    ("report", "tfidf", "transformer", "routing"),
    ("registry", "training"),
    ("tracking", "batch"),
    ("artifact", "agent_data"),
    ("data",),
    ("formats", "privacy", "sample", "text"),
    ("core",),
)
LAYER_OF = {subject: number for number, subjects in enumerate(LAYERS) for subject in subjects}
# The folders of callcenterai that services may import.
SHARED_WITH_SERVICES = ("agent_data/live_figures", "privacy", "formats", "text")
MOST_ENTRIES = 18
# mlflow_registry.py is the longest: it has eleven commands of its own.
MOST_COMMAND_LINES = 95


def modules(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def subject_of(path: Path) -> str:
    """Return the folder or module directly below callcenterai that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def find_circle(graph: dict[Path, set[Path]]) -> list[str]:
    """Return the names of modules that import each other in a circle, or an empty list."""
    finished: set[Path] = set()

    def visit(module: Path, trail: list[Path]) -> list[Path]:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module not in finished:
            for imported in sorted(graph[module]):
                if circle := visit(imported, [*trail, module]):
                    return circle
            finished.add(module)
        return []

    for module in graph:
        if circle := visit(module, []):
            return [module_name(each) for each in circle]
    return []


@pytest.mark.parametrize("folder", [PACKAGE, SERVICES], ids=lambda folder: folder.name)
def test_no_modules_import_each_other_in_a_circle(folder):
    """Imports inside functions count too."""
    graph = {path: {each for each in imported_files(path) if folder in each.parents} for path in modules(folder)}
    assert "" == " -> ".join(find_circle(graph))


def test_every_subject_of_the_package_has_a_layer():
    """A new folder or module below callcenterai has to be put into LAYERS."""
    entries = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert entries - {"__init__", "__pycache__"} == set(LAYER_OF)


def test_subjects_of_the_package_import_only_from_lower_layers():
    upwards = [
        f"{module_name(path)} imports {module_name(imported)}"
        for path in modules(PACKAGE)
        for imported in sorted(imported_files(path))
        if subject_of(path) != subject_of(imported)
        and "__init__" not in (subject_of(path), subject_of(imported))
        and LAYER_OF.get(subject_of(imported), 0) <= LAYER_OF.get(subject_of(path), len(LAYERS))
    ]
    assert "" == "\n".join(upwards)


def test_the_package_imports_neither_services_nor_commands():
    forbidden = {"services", "scripts", *(path.stem for path in SCRIPTS.glob("*.py"))}
    found = [
        f"{module_name(path)} imports {name}"
        for path in modules(PACKAGE)
        for name in sorted(imported_names(path))
        if name.partition(".")[0] in forbidden
    ]
    assert "" == "\n".join(found)


def test_services_import_only_the_shared_folders_and_what_these_need_of_core():
    shared = [path for folder in SHARED_WITH_SERVICES for path in modules(PACKAGE / folder)]
    allowed = {imported for path in shared for imported in all_imported_files(path)}
    found = [
        f"{module_name(path)} imports {module_name(imported)}"
        for path in modules(SERVICES)
        for imported in sorted(imported_files(path) - allowed)
        if PACKAGE in imported.parents
    ]
    assert "" == "\n".join(found)


def test_no_folder_of_code_has_too_many_entries():
    """__init__.py does not count, and scripts/ holds every command."""
    folders = {path.parent for folder in (PACKAGE, SERVICES) for path in modules(folder)}
    counts = {
        str(folder.relative_to(REPOSITORY)): sum(
            not path.name.startswith((".", "__")) for path in folder.iterdir() if path.is_file() or any(path.iterdir())
        )
        for folder in sorted(folders)
    }
    assert {} == {folder: count for folder, count in counts.items() if count > MOST_ENTRIES}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda path: path.stem)
def test_a_command_has_a_docstring_arguments_and_one_late_import(command):
    """Its work stands in the package, so it stays short and imports no other command."""
    source = command.read_text(encoding="utf-8")
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    late = {ast.unparse(statement) for function in functions for statement in import_statements(function)}
    others = {name.partition(".")[0] for name in imported_names(command)} & {path.stem for path in COMMANDS}
    faults = []
    if (lines := len(source.splitlines())) > MOST_COMMAND_LINES:
        faults.append(f"it has {lines} lines")
    if len(late) > 1:
        faults.append(f"it has {len(late)} late imports: {'; '.join(sorted(late))}")
    if others:
        faults.append(f"it imports the commands {sorted(others)}")
    if "main" not in {function.name for function in functions} or not ast.get_docstring(tree):
        faults.append("it has no main or no docstring")
    assert "" == "\n".join(faults)
