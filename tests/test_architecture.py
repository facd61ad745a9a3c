"""Imports run one way and without a cycle, and every library has one owner."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("trainers", "search_spaces", "sweep", "analysis")
MODULES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
FREE = {f"trainers.{name}" for name in ("assessment", "config", "errors", "values", "files", "trial", "recipes")}
"""Modules that every package may import; they import only the standard library."""
ALLOWED = {
    "trainers": {"trainers"},
    "search_spaces": {"search_spaces"},
    "analysis": {"analysis"},
    "sweep": {"sweep", "search_spaces", "trainers", "analysis"},
}
OWNERS = {
    "torch": "trainers", "torchvision": "trainers", "PIL": "trainers", "numba": "trainers",
    "pyarrow": "trainers", "timm": "trainers", "onnx": "trainers", "onnxruntime": "trainers", "onnxscript": "trainers",
    "ray": "sweep", "optuna": "sweep", "mlflow": "sweep", "rich": "sweep", "matplotlib": "analysis",
    "yaml": "sweep", "plotly": "analysis", "jinja2": "analysis",
}  # fmt: skip

FOLDERS = {
    "trainers": ("hardware", "datasets", "models", "weights", "training", "use"),
    "analysis": ("results", "frontier", "published", "advice", "plots", "report"),
    "sweep": ("plan", "choose", "forecast", "watch", "run", "networks", "commands"),
}
"""The folders of a package, from the lowest to the highest; each imports only folders below it."""
OPTIONAL = {"timm", "onnx", "onnxruntime", "onnxscript"}
"""Libraries that are not installed with the package itself."""


def imports(path: Path) -> set[str]:
    """Return the dotted names that a module imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return names


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def within(name: str, prefixes: set[str]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_packages_import_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    own = {name for name in imports(path) if within(name, {*PACKAGES, "run_sweep"}) and "." in name}

    wrong = {name for name in own if not within(name, ALLOWED[package] | FREE)}
    assert {name for name in wrong if not any(other.startswith(f"{name}.") for other in own)} == set()


def imported_folders(path: Path, package: str) -> set[str]:
    """Return the folders of a package that a module imports from, also inside functions."""
    parts = [name.split(".") for name in imports(path)]
    return {part[1] for part in parts if part[0] == package and len(part) > 1 and part[1] in FOLDERS[package]}


@pytest.mark.parametrize(("package", "folder"), [(name, folder) for name in FOLDERS for folder in FOLDERS[name]])
def test_a_folder_imports_only_folders_below_it(package: str, folder: str) -> None:
    files = sorted((ROOT / package / folder).rglob("*.py"))
    above = set(FOLDERS[package][FOLDERS[package].index(folder) + 1 :])

    upward = {str(path): imported_folders(path, package) & above for path in files}
    assert {path: folders for path, folders in upward.items() if folders} == {}
    assert len(files) > 1


@pytest.mark.parametrize(
    ("package", "importers"), [("trainers", {"registry.py"}), ("analysis", set[str]()), ("sweep", set[str]())]
)
def test_files_beside_the_folders_import_none_but_for_a_registry(package: str, importers: set[str]) -> None:
    assert {path.name for path in (ROOT / package).glob("*.py") if imported_folders(path, package)} == importers


@pytest.mark.parametrize("package", FOLDERS)
def test_every_folder_has_its_place(package: str) -> None:
    folders = {path.name for path in (ROOT / package).iterdir() if path.is_dir() and path.name[0] != "_"}

    assert folders == set(FOLDERS[package])


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_library_has_one_owner(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]

    foreign = {name for name in imports(path) if OWNERS.get(name.partition(".")[0], package) != package}

    assert foreign == set()


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_optional_libraries_are_imported_only_inside_functions(path: Path) -> None:
    """Every module can be imported without optional libraries."""
    at_import: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            at_import |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            at_import.add(str(node.module).partition(".")[0])

    assert at_import & OPTIONAL == set()


@pytest.mark.parametrize("name", sorted(FREE))
def test_modules_that_every_package_imports_need_only_the_standard_library(name: str) -> None:
    import sys

    names = {imported.partition(".")[0] for imported in imports(ROOT / f"{name.replace('.', '/')}.py")}

    assert names <= set(sys.stdlib_module_names) | {"trainers"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_only_a_docstring(package: str) -> None:
    for path in (ROOT / package).rglob("__init__.py"):
        [only] = ast.parse(path.read_text()).body
        assert isinstance(only, ast.Expr)


def test_imports_have_no_cycle() -> None:
    names = {module_name(path): {n for n in imports(path) if within(n, set(PACKAGES))} for path in MODULES}
    state: dict[str, str] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert state.get(name) != "open", f"cycle: {' -> '.join((*trail, name))}"
        if name not in names or state.get(name) == "done":
            return
        state[name] = "open"
        for imported in names[name]:
            visit(imported, (*trail, name))
        state[name] = "done"

    for name in names:
        visit(name, ())
