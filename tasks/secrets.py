"""References to secrets → their values, at the moment of use. Knows four stores; must not keep, log or show a value."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NoReturn

from tasks.model import ConfigError, inert


class Secret(str):
    """A secret's value. A text for the library that needs it; its repr, as in logs and tracebacks, shows nothing.

    It cannot be pickled, so that it reaches no task parameter, result or cache by accident. `str()` and f-strings do show it:
    hand it to the library that logs in and to nothing else.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is never pickled: pass its reference and resolve it where it is used")


def resolve(reference: str) -> Secret:
    """The secret that a reference names.

    Args:
        reference: `env:NAME`, `keyring:SERVICE/USER`, `file:/PATH` (as systemd and Docker hand them out; the line's end is none of it) or
            `prefect:BLOCK` (a Prefect Secret block).

    Raises:
        ConfigError: there is no such secret; what to do, never a value.
    """
    store, _, name = reference.partition(":")
    if store not in _STORES or not name:
        # Not repeated: whoever wrote the secret itself here by mistake must not find it in a log.
        raise ConfigError(
            "a credential is not a reference", do="write env:NAME, keyring:SERVICE/USER, file:/PATH or prefect:BLOCK"
        )
    value = _STORES[store](name)
    if not value:
        raise ConfigError(f"resolved {inert(reference)}", "it is there, but empty", "set it again")
    return Secret(value)


def _env(name: str) -> str:
    if name not in os.environ:
        raise ConfigError(
            f"looked for the environment variable {inert(name)}", "it is not set", "export it before hemostat starts"
        )
    return os.environ[name]


def _keyring(name: str) -> str:
    service, _, user = name.partition("/")
    tried = f"asked the keyring for {inert(user)} of {inert(service)}"
    # Imported here: it looks for desktop services, and most commands need no secret.
    import keyring
    from keyring.errors import KeyringError

    try:
        value = keyring.get_password(service, user)
    except KeyringError as error:
        raise ConfigError(tried, f"it did not answer ({type(error).__name__})", "unlock it, or use env:NAME") from None
    if value is None:
        raise ConfigError(tried, "it has no such entry", f"store it: `keyring set {inert(service)} {inert(user)}`")
    return value


def _file(name: str) -> str:
    try:
        return Path(name).read_text().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        seen = getattr(error, "strerror", "") or "it is no text"
        raise ConfigError(
            f"read the secret in {inert(name)}", seen, "write it there, readable for hemostat alone"
        ) from None


def _prefect(name: str) -> str:
    tried = f"loaded the Prefect Secret block {inert(name)}"
    # Imported here: Prefect takes seconds to import, and its server may be down when a block must not wait.
    import httpx
    from prefect.blocks.system import Secret as SecretBlock
    from prefect.exceptions import PrefectException

    try:
        # `_sync`: an answer, no coroutine, also when an event loop runs; Prefect's async_dispatch takes it, its types do not.
        block: Any = SecretBlock.load(name, _sync=True)  # type: ignore[call-arg]
        value = block.get()
    except ValueError:
        raise ConfigError(tried, "there is no such block, or it is no Secret block", "create it in Prefect") from None
    except (PrefectException, httpx.HTTPError, RuntimeError, OSError) as error:
        raise ConfigError(tried, f"Prefect did not answer ({type(error).__name__})", "see that it runs") from None
    if not isinstance(value, str):
        raise ConfigError(tried, "it does not hold a text", "store the secret as a text")
    return value


_STORES = {"env": _env, "keyring": _keyring, "file": _file, "prefect": _prefect}
