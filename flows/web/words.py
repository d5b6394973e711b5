"""The pages' own words in English and Chinese, from words.yaml. Knows one file; what a journal says is never translated."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from ruamel.yaml import YAML

LANGUAGES = ("en", "zh")
NAMES = {"en": "English", "zh": "中文"}


@cache
def words() -> dict[str, dict[str, str]]:
    """Every key with its text in each language."""
    rows = YAML(typ="safe", pure=True).load(Path(__file__).with_name("words.yaml"))
    return {key: dict(zip(LANGUAGES, texts, strict=True)) for key, texts in rows.items()}


class Speaker:
    """The words of one language. What fills their places is data: whoever shows the text escapes it."""

    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, key: str, **parts: object) -> str:
        """The key's text.

        Raises:
            KeyError: there is no such key.
        """
        return words()[key][self.language].format(**parts)

    def known(self, key: str) -> str:
        """The text of a key that data chose; empty when the pages have no word for it."""
        return words().get(key, {}).get(self.language, "")


def choose(asked: str, accepted: str, usual: str) -> str:
    """The language: the one that was asked for, else the first that the browser accepts, else the usual one.

    Args:
        asked: from the cookie; anything else than a known language is passed over.
        accepted: the header Accept-Language (RFC 9110, section 12.5.4).
    """
    if asked in LANGUAGES:
        return asked
    return next((tag[:2] for tag in _ranked(accepted[:500]) if tag[:2] in LANGUAGES), usual)


def _ranked(accepted: str) -> Iterable[str]:
    """The tags, the best liked first."""
    parts = [part.strip().lower().partition(";q=") for part in accepted.split(",")]
    return [tag for tag, _, q in sorted(parts, key=lambda p: -_weight(p[2])) if _weight(q) > 0]


def _weight(q: str) -> float:
    try:
        return float(q) if q else 1.0
    except ValueError:
        return 0.0
