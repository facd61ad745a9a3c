"""Export of a network to ONNX, TorchScript or a state dict, checked before a file appears."""

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from trainers.datasets.batches.batches import normalise
from trainers.datasets.batches.crops import MEAN, STD, centre_crop, eval_resize
from trainers.datasets.sources.digits import digits
from trainers.errors import ConfigError
from trainers.files import whole_file
from trainers.weights.dli14 import SqueezeThenActivate
from trainers.weights.network import Network, load_network

Format = Literal["onnx", "torchscript", "state_dict"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torchscript": ".torchscript", "state_dict": ".pth"}
INPUT, OUTPUT = "images", "logits"
NUM_CHECKED = 8
TOLERANCE = 1e-3
"""Largest accepted difference of a logit, as a share of the largest logit."""
Run = Callable[[torch.Tensor], torch.Tensor]
"""A function that runs an exported file, from normalised images (B, 3, R, R) to logits."""


@dataclass(frozen=True)
class Exported:
    """An exported file."""

    path: Path
    max_difference: float
    """Largest difference between the logits of the file and of PyTorch, for NUM_CHECKED real images."""


def export(network: Network, format: Format, path: Path | None = None) -> Exported:
    """Write `network` to `path`; None: a file in the working directory with the name of the network.

    ONNX and TorchScript files take normalised fp32 images (B, 3, R, R) for any B. They hold `metadata` as JSON: as a
    property of the ONNX model, and as the extra file `metadata.json` in TorchScript. A state dict has torchvision's
    names of tensors.

    Raises:
        ConfigError: a library is missing, or the file cannot be written, or its logits differ from PyTorch's.
    """
    path = path or Path(f"{network.name}{SUFFIXES[format]}")
    network.model.cpu().eval()
    with whole_file(path) as partial:
        run = WRITERS[format](network, partial)
        return Exported(path, _check(network, run, format))


def metadata(network: Network) -> str:
    """Return the class names and the preparation of images as JSON."""
    config = network.config
    return json.dumps(
        {
            "classes": network.classes,
            "resolution": config.resolution,
            "resize_shorter_side": eval_resize(config),
            "mean": MEAN,
            "std": STD,
        }
    )


def require_onnx() -> None:
    """Raise a ConfigError with the command to use, unless the libraries of ONNX are installed."""
    try:
        import onnx  # noqa: F401 # pyright: ignore[reportUnusedImport]
        import onnxruntime  # noqa: F401 # pyright: ignore[reportUnusedImport, reportMissingTypeStubs]
        import onnxscript  # noqa: F401 # pyright: ignore[reportUnusedImport]
    except ImportError as error:
        raise ConfigError(
            f"{error.name} is not installed; run it as `uv run --extra export run_sweep.py ...`"
        ) from error


def onnx_session(path: Path, num_threads: int | None = None) -> Any:
    """Return an ONNX Runtime session for a file on the CPU; without `num_threads` ONNX Runtime chooses the number."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if num_threads is not None:
        options.intra_op_num_threads = num_threads
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def write_onnx(network: Network, path: Path) -> Run:
    """Write the ONNX model with its weights, and return a function that runs it."""
    require_onnx()
    batch = torch.export.Dim("batch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own deprecations
        program = torch.onnx.export(
            network.model, (_example(network),), dynamo=True, verbose=False, input_names=[INPUT],
            output_names=[OUTPUT], dynamic_shapes=({0: batch},),
        )  # fmt: skip
    assert program is not None
    program.model.metadata_props["metadata"] = metadata(network)
    program.save(str(path), external_data=False)
    session = onnx_session(path)
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.contiguous().numpy()})[0])


def _write_torchscript(network: Network, path: Path) -> Run:
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # PyTorch advises torch.export
        traced: Any = torch.jit.trace(network.model, _example(network))
        torch.jit.save(traced, str(path), _extra_files={"metadata.json": metadata(network)})
        return torch.jit.load(str(path))


def _write_state_dict(network: Network, path: Path) -> Run:
    if any(isinstance(module, SqueezeThenActivate) for module in network.model.modules()):
        raise ConfigError(
            "this network squeezes before the activation, so its weights would mean something else under torchvision's "
            "names; export it as onnx or torchscript"
        )
    torch.save({key: tensor.contiguous() for key, tensor in network.model.state_dict().items()}, path)
    return load_network(path, config=network.config).model


WRITERS: dict[Format, Callable[[Network, Path], Run]] = {
    "onnx": write_onnx,
    "torchscript": _write_torchscript,
    "state_dict": _write_state_dict,
}


def _example(network: Network) -> torch.Tensor:
    """Return two images, because the exporter would make a batch size of one a constant."""
    return torch.zeros(2, 3, network.config.resolution, network.config.resolution)


def real_images(network: Network) -> torch.Tensor:
    """Return digits, normalised (NUM_CHECKED, 3, R, R), as real images that need no download."""
    split, config = digits().splits["val"], network.config
    images = (split.decode(i, eval_resize(config)) for i in range(NUM_CHECKED))
    return normalise(torch.stack([centre_crop(image, config) for image in images]))


def example_and_logits(network: Network) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two real images, normalised (2, 3, R, R), and the logits of the network (2, K)."""
    images = real_images(network)[:2]
    with torch.inference_mode():
        return images, network.model(images)


def _check(network: Network, run: Run, format: Format) -> float:
    """Return the largest difference of a logit from PyTorch's, for a batch of all images and for single images."""
    images = real_images(network)
    batches = [images, *images[:, None]]
    with torch.inference_mode():
        pairs = [(run(batch), network.model(batch)) for batch in batches]
    difference = max((logits - expected).abs().max().item() for logits, expected in pairs)
    largest = max(expected.abs().max().item() for _, expected in pairs)
    if not difference <= TOLERANCE * largest:
        raise ConfigError(
            f"the {format} export differs by {difference:.3g} in a logit of {largest:.3g}; nothing written"
        )
    return difference
