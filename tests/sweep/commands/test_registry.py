"""Every command has a file and a line in the registry, and none imports heavy libraries before it needs them."""

import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import pytest

import run_sweep
from sweep.commands.flags import flags_of
from sweep.commands.registry import COMMANDS
from sweep.commands.source_docs import field_docs

HEAVY = ("torch", "torchvision", "ray", "mlflow", "optuna", "matplotlib", "sklearn", "numba")
"""Libraries that take seconds to import."""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_a_file_of_its_name(name: str) -> None:
    command = COMMANDS[name]

    assert command.run.__module__ == command.arguments.__module__ == f"sweep.commands.{name}"
    assert is_dataclass(command.arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_has_a_docstring(name: str) -> None:
    lacking = [flag.path for flag in flags_of(COMMANDS[name].arguments) if not field_docs(flag.owner)[flag.field.name]]

    assert lacking == []


@pytest.mark.parametrize(
    "words",
    [["--help"], ["plan", "--space", "mnv2_quick", "--help"], ["list"], ["--spcae", "x"], ["recipe", "tf_slim"]],
)
def test_a_command_that_needs_no_network_imports_no_heavy_library(words: list[str]) -> None:
    script = (
        "import sys, atexit, run_sweep\n"
        f"atexit.register(lambda: print('loaded', *(set({HEAVY}) & set(sys.modules)), file=sys.stderr))\n"
        f"run_sweep.main({words})\n"
    )

    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True,
        cwd=Path(run_sweep.__file__).parent,
    )  # fmt: skip

    assert answer.stderr.splitlines()[-1].strip() == "loaded"
