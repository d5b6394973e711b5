"""References become values at the last moment; nothing on the way shows one."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend

from tasks.model import ConfigError
from tasks.secrets import resolve


class Shelf(KeyringBackend):
    """A keyring in memory."""

    priority = 1  # type: ignore[assignment]
    kept = {("hemostat", "admin"): "hunter2"}  # noqa: RUF012

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture
def shelf() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(Shelf())
    yield
    keyring.set_keyring(before)


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """env:NAME, and the repr that a log or traceback would show is empty of it."""
    monkeypatch.setenv("HEMOSTAT_TEST", "hunter2")
    secret = resolve("env:HEMOSTAT_TEST")
    assert secret == "hunter2"
    assert "hunter2" not in repr(secret) + repr({"password": secret}) + f"{[secret]}"


def test_a_secret_is_not_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect pickles parameters and results: a secret among them must fail, not travel."""
    monkeypatch.setenv("HEMOSTAT_TEST", "hunter2")
    with pytest.raises(TypeError, match="reference"):
        pickle.dumps(resolve("env:HEMOSTAT_TEST"))


def test_the_keyring_is_asked(shelf: None) -> None:
    """keyring:SERVICE/USER through the keyring library itself."""
    assert resolve("keyring:hemostat/admin") == "hunter2"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:HEMOSTAT_NOT_SET", "export it"),
        ("keyring:hemostat/nobody", "keyring set hemostat nobody"),
        ("file:/not/there", "write it there"),
        ("hunter2", "env:NAME"),
        ("vault:hunter2", "env:NAME"),
        ("env:", "env:NAME"),
        ("", "env:NAME"),
    ],
)
def test_an_error_says_what_to_do_and_no_value(reference: str, says: str, shelf: None) -> None:
    """Also when somebody wrote the secret itself in place of a reference."""
    with pytest.raises(ConfigError, match=says) as caught:
        resolve(reference)
    assert "hunter2" not in str(caught.value)


def test_a_file_is_read_without_the_end_of_its_line(tmp_path: Path) -> None:
    """As systemd (LoadCredential) and Docker hand secrets out; what is no text is told, and not shown."""
    file = tmp_path / "a secret"
    file.write_text(" hunter2 \n")
    assert resolve(f"file:{file}") == " hunter2 "
    file.write_bytes(b"\xffhunter2")
    with pytest.raises(ConfigError, match="no text") as caught:
        resolve(f"file:{file}")
    assert "hunter2" not in str(caught.value)


def test_an_empty_value_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty password would be tried against the device, and lock the account."""
    monkeypatch.setenv("HEMOSTAT_TEST", "")
    with pytest.raises(ConfigError, match="empty"):
        resolve("env:HEMOSTAT_TEST")
