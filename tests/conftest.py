"""What every test shares: no test touches the user's cache, runs or MLflow server."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, and no MLflow server from the environment."""
    monkeypatch.setenv("MOBILENET_SWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
