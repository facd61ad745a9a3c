"""Reads docstrings from source files: docstrings of fields, and of modules that take seconds to import."""

import ast
import inspect
from functools import cache
from importlib.util import find_spec
from pathlib import Path


def field_docs(cls: type) -> dict[str, str]:
    """Return the docstring of each field of a dataclass and its bases, on one line, by name."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__[:-1]):
        definition = _definition(_tree(base.__module__), base.__name__)
        assert isinstance(definition, ast.ClassDef)
        for statement, following in zip(definition.body, definition.body[1:], strict=False):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                docs[statement.target.id] = " ".join((_text(following) or "").split())
    return docs


def registry_docs(module: str, registry: str) -> dict[str, str]:
    """Return one line for each entry of a registry, by name, without importing the registry, which may take seconds.

    The line of a function or class is the first line of its docstring. The line of a record built in the registry is
    its argument `doc` or `description`, or else the line of its first argument.
    """
    tree = _tree(module)
    value = _definition(tree, registry)
    entries = next(node for node in ast.walk(value) if isinstance(node, ast.Dict))
    return {
        str(ast.literal_eval(key)): _line(tree, entry)
        for key, entry in zip(entries.keys, entries.values, strict=True)
        if key is not None
    }


def _line(tree: ast.Module, entry: ast.expr) -> str:
    if isinstance(entry, ast.Call):
        arguments = {keyword.arg: keyword.value for keyword in entry.keywords}
        text = arguments.get("doc") or arguments.get("description") or entry.args[0]
        return str(text.value) if isinstance(text, ast.Constant) else _line(tree, text)
    if isinstance(entry, ast.Attribute) and isinstance(entry.value, ast.Name):  # MODULE.NAME
        package, name = _imported(tree, entry.value.id)
        return _line_of_definition(f"{package}.{name}", entry.attr)
    assert isinstance(entry, ast.Name), ast.dump(entry)
    if any(_defines(statement, entry.id) for statement in tree.body):
        return _line_of(_definition(tree, entry.id), tree)
    return _line_of_definition(*_imported(tree, entry.id))


def _line_of_definition(module: str, name: str) -> str:
    tree = _tree(module)
    return _line_of(_definition(tree, name), tree)


def _line_of(definition: ast.AST, tree: ast.Module) -> str:
    if isinstance(definition, (ast.FunctionDef, ast.ClassDef)):
        return (ast.get_docstring(definition) or "").partition("\n")[0]
    assert isinstance(definition, ast.expr)
    return _line(tree, definition)


def _imported(tree: ast.Module, name: str) -> tuple[str, str]:
    """Return MODULE and NAME of the statement `from MODULE import NAME` that binds `name`."""
    for statement in tree.body:
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if name == (alias.asname or alias.name):
                    return str(statement.module), alias.name
    raise LookupError(f"{name} is not imported")


def _definition(tree: ast.Module, name: str) -> ast.AST:
    """Return the class or function called `name`, or the value assigned to `name`."""
    statement = next(statement for statement in tree.body if _defines(statement, name))
    value = getattr(statement, "value", None)
    return value if isinstance(value, ast.expr) else statement


def _defines(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return statement.name == name
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def _text(statement: ast.stmt) -> str | None:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return inspect.cleandoc(str(statement.value.value))
    return None


@cache
def _tree(module: str) -> ast.Module:
    spec = find_spec(module)
    assert spec is not None, module
    assert spec.origin is not None, module
    return ast.parse(Path(spec.origin).read_text())
