"""The MLflow store is found, created and checked, with clear errors and a described experiment."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.watch.mlflow_store import DeletedExperimentError, check_store, connect, tracking_uri
from sweep.watch.mlflow_views import view_tags
from trainers.errors import ConfigError


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Return the URI of a store with this project's experiment."""
    uri = tracking_uri(tmp_path, None)
    connect(uri, tmp_path)
    return uri


def test_a_missing_server_is_one_clear_error_without_its_password() -> None:
    with pytest.raises(ConfigError) as error:
        check_store("http://user:secret@127.0.0.1:1")

    expected = "MLflow cannot be reached at http://127.0.0.1:1: [Errno 111] Connection refused; start it, or choose"
    assert str(error.value).startswith(expected)


def test_a_database_that_cannot_be_opened_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("not a database, but long enough to look at" * 10)

    with pytest.raises(ConfigError, match=r"^MLflow cannot be reached at sqlite:.*: .*file is not a database"):
        connect(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)


def test_the_environment_names_the_store_unless_the_user_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tracking_uri(tmp_path, None) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://env")
    assert tracking_uri(tmp_path, None) == "http://env"
    assert tracking_uri(tmp_path, "http://flag") == "http://flag"


def test_an_experiment_of_an_old_version_gets_views_and_keeps_its_description(store: str, tmp_path: Path) -> None:
    client = MlflowClient(store)
    id_ = connect(store, tmp_path).experiment_id
    client.set_experiment_tag(id_, "mlflow.note.content", "ours")
    for name in view_tags():
        client.delete_experiment_tag(id_, name)
    assert not view_tags().keys() & client.get_experiment(id_).tags.keys()

    connect(store, tmp_path)

    tags = client.get_experiment(id_).tags
    assert tags["mlflow.note.content"] == "ours"
    assert {name: tags[name] for name in view_tags()} == view_tags()


def test_a_deleted_experiment_is_an_error_that_says_how_to_restore_it(store: str, tmp_path: Path) -> None:
    MlflowClient(store).delete_experiment(connect(store, tmp_path).experiment_id)

    for look in (check_store, lambda uri: connect(store, tmp_path)):
        with pytest.raises(DeletedExperimentError, match=r"^the experiment mobilenet-sweep of .* was deleted; restore"):
            look(store)
