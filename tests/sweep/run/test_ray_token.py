"""Ray's token is readable by its user alone, whoever made the file."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sweep.run.ray_token import keep_token_private
from trainers.errors import ConfigError


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of the token in a home of its own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / ".ray" / "auth_token"


def test_a_new_token_is_whole_and_for_its_user_alone(token: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(lambda _: (keep_token_private(create=True), token.read_text())[1], range(8)))

    assert [len(text) for text in texts] == [64]
    assert (token.stat().st_mode & 0o777, token.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert list(token.parent.iterdir()) == [token]


@pytest.mark.parametrize("create", [True, False])
def test_an_open_token_is_closed_and_stays(token: Path, create: bool) -> None:
    token.parent.mkdir()
    token.write_text("abc")
    token.chmod(0o644)

    keep_token_private(create=create)

    assert (token.read_text(), token.stat().st_mode & 0o777) == ("abc", 0o600)


@pytest.mark.parametrize(("name", "value"), [("RAY_AUTH_TOKEN", "abc"), ("RAY_AUTH_MODE", "disabled"), ("PATH", "")])
def test_no_token_is_made_where_none_is_needed(
    token: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    keep_token_private(create=name != "PATH")  # a cluster has a token of its own

    assert not token.exists()


def test_a_home_that_cannot_be_written_is_one_clear_error(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null")

    with pytest.raises(ConfigError, match=r"/dev/null/.ray/auth_token cannot be made private .*; set HOME to a folder"):
        keep_token_private(create=True)
