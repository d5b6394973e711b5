"""One value written into a YAML file of the owner's, and no other byte of it changed. Knows lines; must not know what the value means."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tasks.model import ConfigError
from tasks.yaml_lines import BadYaml, Document, read

_VALUE = r"""("[^"]*"|'[^']*'|[^,{}#\r\n]*[^,{}#\s])"""


def pin(path: Path, place: Sequence[str], text: str) -> None:
    """Write it; a crash leaves the old file or the new, with the old one's mode.

    Args:
        path: the file.
        place: the keys that lead to the value; the first must be there.
        text: a value that YAML takes for plain text.

    Raises:
        ConfigError: the file is written in a way that this cannot be sure of; it is left as it was.
    """
    new = with_value(path.read_bytes().decode("utf-8"), tuple(place), text)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            os.fchmod(file.fileno(), path.stat().st_mode & 0o7777)
            file.write(new.encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def with_value(old: str, place: tuple[str, ...], text: str) -> str:
    """The file's text with that value. It is read again: nothing else may differ from before."""
    document = read(old.encode())
    with suppress(BadYaml, KeyError, TypeError, ValueError, AttributeError):
        new = _edited(old.splitlines(keepends=True), document, place, text)
        if read(new.encode()).value == _put(document.value, place, text):
            return new
    raise ConfigError(
        f"write {'.'.join(place)}", "its entry is written in an unusual way", f"add by hand: {_words(place[1:], text)}"
    )


def _put(value: object, place: tuple[str, ...], text: str) -> object:
    if not place:
        return text
    inner = dict(value or {})  # type: ignore[call-overload]
    return {**inner, place[0]: _put(inner.get(place[0]), place[1:], text)}


def _words(keys: tuple[str, ...], text: str) -> str:
    inner = text if len(keys) == 1 else f"{{{_words(keys[1:], text)}}}"
    return f"{keys[0]}: {inner}"


def _edited(rows: list[str], document: Document, place: tuple[str, ...], text: str) -> str:
    """The deepest mapping on the way that is there gets the value, or the keys that lead to it."""
    node, depth = document.value[place[0]], 1
    while depth < len(place) - 1 and isinstance(node, dict) and node.get(place[depth]):
        node, depth = node[place[depth]], depth + 1
    if node and place[depth] in node:
        at = document.line(place[: depth + 1]) - 1
        rows[at] = re.sub(rf"({re.escape(place[depth])}:\s*){_VALUE}", lambda m: m[1] + text, rows[at], count=1)
    else:
        _insert(rows, document, place[:depth], list(node or ()), _words(place[depth:], text))
    return "".join(rows)


def _insert(rows: list[str], document: Document, place: tuple[str, ...], keys: list[str], words: str) -> None:
    head = document.line(place) - 1
    first = document.line((*place, "hostname" if "hostname" in keys else keys[0])) - 1 if keys else head
    if keys and first == head:  # a flow mapping
        before, brace, after = rows[head].partition("{")
        rows[head] = f"{before}{brace}{words}, {after}"
        return
    whole = rows[first].rstrip("\r\n")
    newline = rows[first][len(whole) :] or "\n"
    new = f"{whole[: len(whole) - len(whole.lstrip())]}{'' if keys else '  '}{words}"
    # A scalar's line may be followed by the new one; anything else may go on below it, so the new one stands before.
    lines = [whole, new] if not keys or "hostname" in keys else [new, whole]
    rows[first] = "".join(f"{line}{newline}" for line in lines)
