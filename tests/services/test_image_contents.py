"""Each service starts from what its Dockerfile copies and installs; nothing else of the project is in its image."""

import ast
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from support.image_contents import copy_image_contents, locked_packages
from support.repository import PACKAGE, REPOSITORY

SERVICES = ("tfidf", "transformer", "agent", "web")
# Needed to train, track and reproduce, and far too large for an image.
TRAINING_PACKAGES = {"pandas", "scikit-learn", "mlflow", "mlflow-skinny", "dvc", "torch", "transformers"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_can_be_imported_from_the_contents_of_its_image(service, tmp_path):
    """Every module, in a process that has no other code of ours and none of the packages that the image lacks."""
    modules = copy_image_contents(service, tmp_path).import_service(service)
    assert f"services.{service}.app" in modules
    assert [name for name, file in modules.items() if file and not Path(file).is_relative_to(tmp_path)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_has_no_package_that_only_training_needs(service):
    packages = locked_packages(service)
    assert "uvicorn" in packages and not packages & TRAINING_PACKAGES


def test_a_package_that_is_missing_in_the_image_would_be_noticed(tmp_path):
    """The check of imports finds what it is for."""
    contents = copy_image_contents("web", tmp_path)
    (tmp_path / "services" / "web" / "words.py").write_text("import sklearn\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="No module named 'sklearn' in this image"):
        contents.import_service("web")


def test_the_image_of_the_pages_has_what_the_reader_of_files_imports_late():
    """All but pyarrow, without which a Parquet file is refused in one sentence."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in (PACKAGE / "formats").glob("*.py")]
    functions = [each for tree in trees for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]
    nodes = [node for function in functions for node in ast.walk(function)]
    late = {node.module.partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    late |= {name.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for name in node.names}
    packages = {package.lower() for name in late for package in packages_distributions()[name]}
    assert packages >= {"charset-normalizer", "python-calamine"}
    assert packages - locked_packages("web") == {"pyarrow"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_imports_nothing_of_another_service(service):
    """Nor does services/common, which each of them has: imports only go down."""
    code = (
        "import sys, importlib; importlib.import_module(sys.argv[1]); "
        "print(*{name.split('.')[1] for name in sys.modules if name.startswith('services.')})"
    )
    command = [sys.executable, "-c", code, f"services.{service}.app"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"common", service}
