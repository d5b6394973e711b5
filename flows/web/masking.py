"""Takes senders' tokens out of what uvicorn would log of a URL. Knows paths; must not know a token."""

from __future__ import annotations

import logging
import re

_SECRET = re.compile(r"(/alerts/[^/?\s\"]+/)[^?\s\"]+|([?&]token=)[^&\s\"]*")


class Masked(logging.Filter):
    """Rewrites a record's text and its arguments; lets every record pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = mask(str(record.msg))
        if isinstance(record.args, tuple):
            record.args = tuple(mask(value) if isinstance(value, str) else value for value in record.args)
        return True


def mask(text: str) -> str:
    """The text with … for every token in a URL."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}…", text)


def hide_tokens() -> None:
    """Put the mask before uvicorn's loggers; a second time does nothing more."""
    for name in ("uvicorn.access", "uvicorn.error"):
        logger = logging.getLogger(name)
        if not any(isinstance(each, Masked) for each in logger.filters):
            logger.addFilter(Masked())
