"""Judges kernel modules: those that hide from one of the kernel's lists, and strangers. Facts in, findings out; looks at no host."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.collectors.context import Context
from tasks.facts import Snapshot
from tasks.facts_linux import Module
from tasks.model import Finding, inert
from tasks.signs import Sign

_LISTS = (("listed", "/proc/modules"), ("shown", "/sys/module"), ("symbols", "the kernel's symbols"))


def judge(snapshot: Snapshot, context: Context) -> list[Finding]:  # noqa: ARG001 - a module is judged by itself
    """One finding a module that hides, or that the kernel itself calls foreign."""
    return [_finding(rule, sign, module) for module in snapshot.modules for rule, sign in _signs(module)]


def _signs(module: Module) -> Iterator[tuple[str, Sign]]:
    if not module.listed:
        words = f"runs in the kernel, but hides from the list of modules: {_seen(module)}"
        yield "module.hidden", Sign(words, 90, "T1014")
    elif not module.shown:
        words = f"hides from /sys/module: {_seen(module)} (a module that is just being loaded or removed does so, too)"
        yield "module.hidden", Sign(words, 60, "T1014")
    elif "F" in module.taint:
        yield "module.foreign", Sign("was loaded by force against the kernel's version check", 45, "T1547.006")
    elif set(module.taint) & {"O", "E"}:
        yield "module.foreign", Sign("is not from the kernel's own package, or unsigned", 20, "T1547.006")


def _seen(module: Module) -> str:
    there = [words for key, words in _LISTS if getattr(module, key)]
    away = [words for key, words in _LISTS if not getattr(module, key)]
    return f"{' and '.join(there)} name it, {' and '.join(away)} do not"


def _finding(rule: str, sign: Sign, module: Module) -> Finding:
    return Finding(
        rule,
        f"the kernel module {inert(module.name, 80)} {sign.words}",
        f"kernel module {inert(module.name, 80)}",
        "A module that hides can hide everything else: trust no tool of this host, look at its disk from another system."
        if rule == "module.hidden"
        else "Drivers of other makers are like that. Know it, or find out who loaded it.",
        sign.score,
        "high" if sign.score >= 85 else "medium" if sign.score >= 50 else "low",
        sign.attack,
        {"module": module.name, "listed": module.listed, "shown": module.shown, "taint": module.taint},
    )
