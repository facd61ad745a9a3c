"""The MLflow store is found, created and checked, with clear errors and a described experiment."""

import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
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


def test_a_database_server_that_does_not_answer_is_one_clear_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    began = time.monotonic()
    with pytest.raises(ConfigError, match=rf"at postgresql://127.0.0.1:{port}/db: .* refused"):
        check_store(f"postgresql://user:secret@127.0.0.1:{port}/db")
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("statement", ["CREATE TABLE _alembic_tmp_runs (x)", "DROP TABLE runs"])
def test_a_store_left_unfinished_is_one_error_that_says_what_to_do(store: str, tmp_path: Path, statement: str) -> None:
    """A killed process left tables of some migration, of which the version is not yet recorded."""
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        database.execute(statement)
    (tmp_path / "mlflow.db").rename(tmp_path / "broken.db")  # MLflow has the first in its memory

    with pytest.raises(ConfigError, match=r"move .*/broken.db away, and the commands of your sweeps fill a new store"):
        connect(f"sqlite:///{tmp_path}/broken.db", tmp_path)


def test_a_store_is_made_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(client: MlflowClient, **_: object) -> None:
        assert not (tmp_path / "mlflow.db").exists()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "search_experiments", interrupted)
        with pytest.raises(KeyboardInterrupt):
            connect(tracking_uri(tmp_path, None), tmp_path)

    assert {path.name for path in tmp_path.iterdir()} <= {".mlflow.db.lock"}
    with ThreadPoolExecutor(2) as pool:
        ids = set(pool.map(lambda _: connect(tracking_uri(tmp_path, None), tmp_path).experiment_id, range(2)))
    assert len(ids) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("name", ["job%2Fmain", "what?v=2", "a#b é", "100%"])
def test_a_store_lies_where_its_folder_is_named_and_follows_the_folder(name: str, tmp_path: Path) -> None:
    """Signs of a URI in the name of the folder mean nothing; a moved folder finds its artifacts, old and new."""
    first, moved, file = tmp_path / name, tmp_path / f"moved {name}", tmp_path / "file.txt"
    file.write_text("x")
    old = connect(tracking_uri(first, None), first)
    run = old.client.create_run(old.experiment_id)
    old.client.log_artifact(run.info.run_id, str(file), "before")
    assert list(first.glob("mlartifacts/*/artifacts/before/file.txt"))
    first.rename(moved)

    new = connect(tracking_uri(moved, None), moved)

    assert new.experiment_id == old.experiment_id
    place = f"{moved.as_uri()}/mlartifacts/{run.info.run_id}/artifacts"
    assert new.client.get_run(run.info.run_id).info.artifact_uri == place
    new.client.log_artifact(new.client.create_run(new.experiment_id).info.run_id, str(file), "after")
    assert list(moved.glob("mlartifacts/*/artifacts/after/file.txt"))
    assert {path.name for path in tmp_path.iterdir()} - {"cache"} == {moved.name, "file.txt"}


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
        with pytest.raises(DeletedExperimentError, match=r"^the experiment mobilenet-sweep was deleted") as error:
            look(store)
        command = str(error.value).partition("restore it: ")[2]
        assert command.startswith(f"MLFLOW_TRACKING_URI={store} mlflow experiments restore -x ")
