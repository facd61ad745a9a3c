"""Measures the shape of the code: sizes, the longest chain of imports, and returns of a plan to modules it has left.

    uv run benchmarks/house.py            # sizes and imports, in a second
    uv run benchmarks/house.py --journey  # also runs a sweep of two points and follows the plan, in half a minute

The journey counts calls that pass a Plan, or a record that holds one (Left), from `sweep.run.sweep.run` on, in their
order. Each pair of a calling and a called function counts once. A stay is an unbroken run of calls into one module; a
return is a stay in a module that the plan had been in before.
"""

import argparse
import ast
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # the project is run from its checkout, not installed
PACKAGES = ("trainers", "search_spaces", "analysis", "sweep")
TOP = ("sweep", "trainers")


def sources() -> dict[str, Path]:
    """Return the project's modules, by dotted name."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    return {"run_sweep": ROOT / "run_sweep.py", **names}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the functions of a module, with methods and nested functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imports(path: Path, modules: dict[str, Path]) -> set[str]:
    """Return the project's modules that a module imports at its top level, without imports for type checkers."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name in modules and modules[name].name != "__init__.py"}


def longest_chain(modules: dict[str, Path]) -> list[str]:
    """Return the longest chain of module-level imports, the importing module first."""
    edges = {name: imports(path, modules) for name, path in modules.items()}
    chains: dict[str, list[str]] = {}

    def chain(name: str) -> list[str]:
        if name not in chains:
            chains[name] = [name, *max((chain(other) for other in edges[name]), key=len, default=[])]
        return chains[name]

    return max(map(chain, edges), key=len)


def percentile(values: list[int], share: float) -> int:
    """Return the value that a share of the values do not exceed."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class Journey:
    """Follows a plan through the calls that pass it on."""

    def __init__(self, modules: dict[str, Path]) -> None:
        self._names = {str(path): name for name, path in modules.items()}
        self._edges: dict[tuple[str, str], None] = {}

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Note a call; `sys.setprofile` takes this method."""
        if event != "call" or frame.f_code.co_filename not in self._names or frame.f_back is None:
            return
        code = frame.f_code
        count = code.co_argcount + code.co_kwonlyargcount
        passed = [frame.f_locals.get(name) for name in code.co_varnames[:count]]
        if any(type(value).__name__ in ("Plan", "Left") for value in passed):
            caller = f"{frame.f_back.f_code.co_filename}:{frame.f_back.f_code.co_qualname}"
            callee = f"{self._names[code.co_filename]}:{code.co_qualname}"
            self._edges.setdefault((caller, callee))

    @property
    def stays(self) -> list[tuple[str, list[str]]]:
        """Return the modules in the order of the calls, each with the functions called during the stay."""
        stays: list[tuple[str, list[str]]] = []
        for _, callee in self._edges:
            module, _, function = callee.partition(":")
            if not stays or stays[-1][0] != module:
                stays.append((module, []))
            stays[-1][1].append(function)
        return stays


def follow(modules: dict[str, Path]) -> list[tuple[str, list[str]]]:
    """Run a sweep of two points and return the stays of its plan from `sweep.run.sweep.run` on."""
    from rich.console import Console

    from sweep.commands.sweep import sweep_config
    from sweep.plan.plan import make_plan
    from sweep.run.sweep import run

    with tempfile.TemporaryDirectory() as folder:
        axes = ["--axis", "width_mult=0.25", "--axis", "resolution=16", "--axis", "lr=0.005,0.001"]
        config = sweep_config(["--space", "mnv2_quick", *axes, "--train.epochs", "1", "--runs", folder])
        plan = make_plan(config)
        journey: Any = Journey(modules)
        sys.setprofile(journey)
        try:
            run(plan, console=Console(quiet=True))
        finally:
            sys.setprofile(None)
        return journey.stays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--journey", action="store_true", help="run a small sweep and follow its plan")
    arguments = parser.parse_args()
    modules = sources()
    for name in TOP:
        entries = [path for path in (ROOT / name).iterdir() if path.name != "__pycache__"]
        print(f"{name}/: {len(entries)} entries at the top, {sum(path.is_dir() for path in entries)} of them folders")
    lines = [len(path.read_text().splitlines()) for path in modules.values()]
    print(f"files: {len(lines)}, 90th percentile {percentile(lines, 0.9)} lines, longest {max(lines)}")
    sizes = [(node.end_lineno or 0) - node.lineno + 1 for path in modules.values() for node in functions(path)]
    print(
        f"functions: {len(sizes)}, median {statistics.median(sizes):.0f} lines, 90th percentile "
        f"{percentile(sizes, 0.9)}, above 60 lines {100 * sum(size > 60 for size in sizes) / len(sizes):.2f} %"
    )
    chain = longest_chain(modules)
    print(f"longest chain of module-level imports: {len(chain)}: {' -> '.join(chain)}")
    if arguments.journey:
        stays = follow(modules)
        seen: set[str] = set()
        num_returns = 0
        for module, names in stays:
            is_return = module in seen
            num_returns += is_return
            print(f"  {'return to' if is_return else 'enters   '} {module}: {', '.join(names)}")
            seen.add(module)
        print(f"journey of the plan: {len(stays)} stays in {len(seen)} modules, {num_returns} returns")


if __name__ == "__main__":
    main()
