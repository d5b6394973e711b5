"""Which playbook an alert gets. Knows patterns and their order; must not know what a playbook does."""

from __future__ import annotations

from fnmatch import fnmatchcase

from tasks.model import Alert
from tasks.settings import Playbook, Site

DEFAULT = "beacon"


def choose(site: Site, alert: Alert) -> Playbook:
    """The playbook whose sources and signatures fit the alert most closely, else `beacon`.

    A longer signature pattern (its `*` not counted) is closer than a shorter one, any signature closer than a source alone; the
    first name in the alphabet decides between equals. A playbook without sources and signatures is only chosen by name.

    Raises:
        ConfigError: none fits and there is no playbook `beacon`.
    """
    fits = {name: closeness(playbook, alert) for name, playbook in sorted(site.playbooks.items())}
    best = max(fits, key=lambda name: fits[name], default=DEFAULT)
    return site.playbook(best if fits.get(best, (0, 0)) > (0, 0) else DEFAULT)


def closeness(playbook: Playbook, alert: Alert) -> tuple[int, int]:
    """How closely it fits: signature first, source second; (0, 0) when it does not fit or asks for nothing."""
    if playbook.sources and alert.source not in playbook.sources:
        return 0, 0
    matching = [pattern for pattern in playbook.signatures if _matches(alert.signature, pattern)]
    if playbook.signatures and not matching:
        return 0, 0
    longest = max((1 + len(pattern.replace("*", "")) for pattern in matching), default=0)
    return longest, int(bool(playbook.sources))


def _matches(signature: str, pattern: str) -> bool:
    # Signatures are full of brackets: in a pattern, only * and ? mean more than themselves.
    return fnmatchcase(signature.casefold(), pattern.casefold().replace("[", "[[]"))
