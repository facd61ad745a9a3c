"""A checkpoint is written whole or not at all, and loading it runs no code."""

from pathlib import Path
from typing import Any

import pytest
import torch

from trainers.errors import ConfigError
from trainers.weights import checkpoint


class Unsavable:
    """An object that fails to be pickled, as on a full disk."""

    def __reduce__(self) -> Any:
        raise OSError("no space left on device")


class Payload:
    """An object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    "state",
    [
        {"tensor": torch.arange(6).view(2, 3), "name": "a", "none": None, "list": [1, 2.5], "nested": {"x": (1, True)}},
        {"half": torch.ones(2, dtype=torch.bfloat16), "bytes": torch.zeros(3, dtype=torch.uint8)},
        {},
    ],
)
def test_state_is_loaded_as_it_was_saved(tmp_path: Path, state: dict[str, Any]) -> None:
    checkpoint.save(state, tmp_path / "deep" / "last.pt")

    loaded = checkpoint.load(tmp_path / "deep" / "last.pt")

    assert loaded is not None
    assert loaded.keys() == state.keys()
    for key, value in state.items():
        equal = torch.equal(loaded[key], value) if isinstance(value, torch.Tensor) else loaded[key] == value
        assert equal, key


def test_saving_replaces_the_file_and_leaves_no_other(tmp_path: Path) -> None:
    checkpoint.save({"epoch": 1}, tmp_path / "last.pt")
    checkpoint.save({"epoch": 2}, tmp_path / "last.pt")

    assert checkpoint.load(tmp_path / "last.pt") == {"epoch": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("exists", [True, False])
def test_failed_save_leaves_the_old_file_and_no_partial_one(tmp_path: Path, exists: bool) -> None:
    if exists:
        checkpoint.save({"epoch": 1}, tmp_path / "last.pt")

    with pytest.raises(OSError, match="no space"):
        checkpoint.save({"weights": torch.ones(1000), "bad": Unsavable()}, tmp_path / "last.pt")

    assert checkpoint.load(tmp_path / "last.pt") == ({"epoch": 1} if exists else None)
    assert [path.name for path in tmp_path.iterdir()] == (["last.pt"] if exists else [])


def test_loading_refuses_to_run_code(tmp_path: Path) -> None:
    torch.save({"model": Payload(tmp_path / "touched")}, tmp_path / "last.pt")

    with pytest.raises(ConfigError, match=r"last.pt holds more than tensors and plain values"):
        checkpoint.load(tmp_path / "last.pt")

    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_error_on_a_truncated_checkpoint_names_file_and_remedy(tmp_path: Path, share: float) -> None:
    path = tmp_path / "last.pt"
    checkpoint.save({"weights": torch.ones(1000)}, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    with pytest.raises(ConfigError, match=r"last.pt is damaged or no checkpoint .*; remove it, and its point trains"):
        checkpoint.load(path)


@pytest.mark.parametrize("content", [b"h", b"0", b"no checkpoint", b"\x80", b"K\x01.", bytes(range(256))])
def test_error_names_a_file_that_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last.pt").write_bytes(content)

    with pytest.raises(ConfigError, match=r"last.pt is damaged or no checkpoint"):
        checkpoint.load(tmp_path / "last.pt")


def test_missing_checkpoint_is_none(tmp_path: Path) -> None:
    assert checkpoint.load(tmp_path / "last.pt") is None
