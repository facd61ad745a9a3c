"""Folders of `trainers` stand on each other: each imports only folders below it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ORDER = ("hardware", "datasets", "models", "weights", "training", "use")
"""From the lowest to the highest."""


def imported_folders(path: Path) -> set[str]:
    """The folders of `trainers` that a file imports from, also inside functions."""
    nodes = ast.walk(ast.parse(path.read_text()))
    modules = [node.module.split(".") for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    return {module[1] for module in modules if module[0] == "trainers" and len(module) > 1 and module[1] in ORDER}


@pytest.mark.parametrize("folder", ORDER)
def test_a_folder_imports_only_folders_below_it(folder: str) -> None:
    files = sorted((ROOT / "trainers" / folder).rglob("*.py"))
    above = set(ORDER[ORDER.index(folder) + 1 :])

    assert {str(path): sorted(imported_folders(path) & above) for path in files if imported_folders(path) & above} == {}
    assert len(files) > 1


def test_files_beside_the_folders_import_none_but_for_the_registry() -> None:
    importing = {path.name for path in (ROOT / "trainers").glob("*.py") if imported_folders(path)}

    assert importing == {"registry.py"}


def test_every_folder_has_its_place() -> None:
    folders = {path.name for path in (ROOT / "trainers").iterdir() if path.is_dir() and path.name[0] != "_"}

    assert folders == set(ORDER)
