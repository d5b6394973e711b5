"""Paths below a drill victim's root, written from there. Knows dataclasses only; must not know what they mean."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

# Stands for the folder that is / on the victim, where that is not / itself.
ROOT = "⟨root⟩"


def shortened(value: Any, root: str) -> Any:
    """The same with every path below `root` written from there: a drill's victim stands deep in a folder of ours."""
    if isinstance(value, str) and not isinstance(value, Enum):
        return value.replace(root.rstrip("/") + "/", f"{ROOT}/")
    if isinstance(value, tuple):
        return tuple(shortened(v, root) for v in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: shortened(getattr(value, f.name), root) for f in fields(value)})
    return value
