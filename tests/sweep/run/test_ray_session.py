"""A Ray session ends without its cluster's head, and ships only the project's files."""

import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import pytest

from sweep.run import ray_session
from trainers.errors import ConfigError


def test_the_process_ends_with_one_line_if_the_head_of_its_cluster_is_gone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    over, codes = threading.Event(), list[int]()
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
    context = SimpleNamespace(gcs_address=address)  # nobody listens at this address any more
    monkeypatch.setattr(ray_session.ray, "get_runtime_context", lambda: context)
    monkeypatch.setattr(ray_session, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(ray_session, "HEAD_SECONDS", 0.05)

    def end(code: int) -> None:
        codes.append(code)
        over.set()

    monkeypatch.setattr(ray_session.os, "_exit", end)
    ray_session._end_with_head(over, address)

    assert codes == [1]
    output = capsys.readouterr().err
    assert output.startswith(f"error: the head of the Ray cluster at {address} has not answered")
    assert output.count("\n") == 1


def test_a_folder_of_sockets_with_too_long_a_path_is_an_error_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(*_: object, **__: object) -> None:
        raise OSError("AF_UNIX path length cannot exceed 107 bytes: /long")

    monkeypatch.setattr(ray_session.ray, "init", init)

    with pytest.raises(
        ConfigError, match=r"^Ray cannot start here \(AF_UNIX .*; set RAY_TMPDIR to a folder with a short"
    ):
        ray_session._start()


def test_rays_own_hook_for_uv_is_off() -> None:
    """Ray's hook would ship the whole folder and have workers on this machine build an environment."""
    assert not ray_session.ray._private.ray_constants.RAY_ENABLE_UV_RUN_RUNTIME_ENV


@pytest.mark.parametrize("carries", [True, False])
def test_a_cluster_gets_only_the_projects_files_and_the_environment_of_uv(
    carries: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's own packing leaves out all other files in the checkout."""
    from ray._private.runtime_env.packaging import create_package

    own = {"run_sweep.py", "pyproject.toml", "uv.lock", "sweep", "search_spaces", "trainers", "analysis"}
    for name in (*own, "secrets[1].env", "back\\slash", "trail ", " lead", "a*b", "!keep", "#hash", "é?", ".env"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    monkeypatch.setattr(ray_session, "__file__", str(tmp_path / "sweep" / "run" / "ray_session.py"))
    monkeypatch.setattr(ray_session, "CARRIES_ENVIRONMENT", carries)
    monkeypatch.setattr(ray_session, "uv_environment", lambda files: files | {"py_executable": "uv run python"})

    shipped = ray_session._shipped()

    package = tmp_path / "package.zip"
    create_package(shipped["working_dir"], package, include_gitignore=True, excludes=shipped["excludes"])
    assert {Path(name).parts[-2] for name in ZipFile(package).namelist() if name.endswith("file")} == own
    assert ("py_executable" in shipped) == carries
