"""The command `export`: writes a network as a file for other programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sweep.commands.checkpoint import CheckpointArguments
from sweep.commands.parse import parse


@dataclass(frozen=True, kw_only=True)
class Arguments(CheckpointArguments):
    """Write a network for other programs, checked against PyTorch on real images."""

    format: Literal["onnx", "torchscript", "state_dict"]
    """Format of the file. ONNX and TorchScript take normalised images and carry the class names; a state dict has the
    parameter names of torchvision."""
    out: Path | None = None
    """The file to write; unset: a file in the working directory, named after the network."""


def run(argv: Sequence[str]) -> int:
    """Write a network for other programs."""
    arguments = parse(argv, Arguments, "export")
    from trainers.files import check_writable
    from trainers.use.export import export

    if arguments.out is not None:
        check_writable(arguments.out)
    file = export(arguments.open(), arguments.format, arguments.out)
    print(f"{arguments.format}: {file.path}; logits of real images differ by at most {file.max_difference:.2g}")
    return 0
