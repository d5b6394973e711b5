"""Does anybody of ours still answer a new connection from this host? Knows TCP; must not know why it is asked."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psutil

from tasks.model import Unreachable

# SSH, DNS, WinRM, HTTPS, Kerberos: what an owner's own machines serve. A refusal is an answer too.
PORTS = (22, 53, 5986, 443, 88)
SECONDS = 3.0


def answering(own: Sequence[str]) -> str:
    """Whoever answers first, in words. A host's own addresses prove nothing and are passed over.

    Args:
        own: the owner's addresses, from the policy.

    Raises:
        Unreachable: there is none to ask, or none answered.
    """
    mine = {entry.address.partition("%")[0] for several in psutil.net_if_addrs().values() for entry in several}
    asked = [(address, port) for address in own if address not in mine for port in PORTS]
    if not asked:
        raise Unreachable(
            "prove the way with a new connection",
            "the policy names no address of yours that could answer this host",
            "put a machine that answers TCP into `own` of inventory/policy.yaml, or isolate this host from another one over SSH",
        )
    with ThreadPoolExecutor(max_workers=min(len(asked), 32)) as pool:
        answers = [place for place, heard in zip(asked, pool.map(_answers, asked), strict=True) if heard]
    if answers:
        return f"{answers[0][0]} answered a new connection on port {answers[0][1]}"
    raise Unreachable(
        "prove the way with a new connection", f"none of {', '.join(own)} answered within {SECONDS:.0f} s", "is it up?"
    )


def _answers(place: tuple[str, int]) -> bool:
    try:
        socket.create_connection(place, timeout=SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return True
