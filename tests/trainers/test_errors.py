"""An error message is one line, lists the choices, and holds no credentials."""

import pickle

import pytest

from trainers.errors import (
    ConfigError,
    TrainingDivergedError,
    UnreadableImageError,
    one_line,
    printable,
    spreadsheet_cell,
    unknown_choice,
    without_credentials,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://user:secret@host:5000", "http://host:5000"),
        ("postgresql://u:p@ss@db/mlflow", "postgresql://db/mlflow"),
        ("http://TOKEN@host", "http://host"),
        ("request to http://u:p@h/api failed; http://u:p@h too", "request to http://h/api failed; http://h too"),
        ("postgresql://u:p/w@h/db", "postgresql://h/db"),
        ("postgresql://u:5432/w@h/db", "postgresql://h/db"),
        ("mysql+pymysql://u:p@s/?#w@h:1/db?ssl=1", "mysql+pymysql://h:1/db?ssl=1"),
        ("postgresql://h/db?user=me@x.org&password=p@/w", "postgresql://h/db?user=me@x.org&password=***"),
        ("a --uri=postgresql:///db?sslPassword=p+w&x=1 b", "a --uri=postgresql:///db?sslPassword=***&x=1 b"),
        ("http://h:5000/a@b?access_token=p%26w&x=1", "http://h:5000/a@b?access_token=***&x=1"),
        ("https://h/x?sig=a%2Fb;PWD=c&y=2#token=t", "https://h/x?sig=***&y=2#token=***"),
        ("mssql+pyodbc:///?odbc_connect=PWD%3Dp%3B", "mssql+pyodbc:///?odbc_connect=***"),
        ("at http://h/?api_key=***: refused", "at http://h/?api_key=***: refused"),
        ("http://u:p@h, mysql://u:p/w@k/d: refused", "http://h, mysql://k/d: refused"),
        ("--axis key=1,2 at http://h/page?by=me", "--axis key=1,2 at http://h/page?by=me"),
        ("sqlite:////tmp/a@b.db", "sqlite:////tmp/a@b.db"),
        ("mail me@host", "mail me@host"),
    ],
)
def test_credentials_are_removed_from_every_uri(text: str, expected: str) -> None:
    assert without_credentials(text) == expected


def test_an_error_becomes_one_line_of_bounded_length() -> None:
    assert one_line(ValueError("a\n  b\tc")) == "a b c"
    assert len(one_line("x" * 1000)) == 300


@pytest.mark.parametrize(
    ("text", "cell"),
    [("dog", "dog"), ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"), ("@a", "'@a"), ("+1", "'+1"), ("-2", "'-2"),
     ("a=b", "a=b"), ("red\x1b[31m\nnext", r"red\x1b[31m\nnext"), ("", "")],
)  # fmt: skip
def test_text_of_others_is_a_cell_that_no_spreadsheet_runs(text: str, cell: str) -> None:
    assert spreadsheet_cell(text) == cell


def test_an_unknown_choice_names_every_choice_in_order() -> None:
    assert str(unknown_choice("model", "x", {"b": 1, "a": 2})) == "unknown model 'x'; choose from a, b"


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/a/b c.jpg", "/a/b c.jpg"), ("/caf\u00e9.jpg", "/caf\u00e9.jpg"), ("/caf\udce9.jpg", r"/caf\xe9.jpg")],
)
def test_any_path_can_be_printed(path: str, expected: str) -> None:
    assert printable(path) == expected
    printable(path).encode()


@pytest.mark.parametrize(
    "error", [ConfigError("what"), TrainingDivergedError("when"), UnreadableImageError("a.jpg", "truncated")]
)
def test_errors_survive_pickling(error: Exception) -> None:
    unpickled = pickle.loads(pickle.dumps(error))

    assert (type(unpickled), str(unpickled), vars(unpickled)) == (type(error), str(error), vars(error))
