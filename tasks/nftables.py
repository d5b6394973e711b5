"""Reading what nft prints as JSON (libnftables-json(5)): objects, elements, rules. Pure; must not know a table's purpose."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from tasks.model import Address, Json, TargetError, inert


def objects(text: str) -> list[Json]:
    """What a `nft -j list` answered.

    Raises:
        TargetError: it is no nftables JSON.
    """
    try:
        found: list[Json] = json.loads(text)["nftables"]
    except (ValueError, KeyError, TypeError):
        raise TargetError(
            "read nft's list", f"no nftables JSON: {inert(text, 200)!r}", "run the command by hand"
        ) from None
    return found


def elements(known: Iterable[Json], name: str) -> list[dict[str, Json]]:
    """The elements of that set, each as its `val` with what nft keeps beside it (`comment`, `timeout`, `expires`)."""
    sets = (o["set"] for o in known if o.get("set", {}).get("name") == name)
    return [dict(_unwrap(e)) for each in sets for e in each.get("elem", [])]


def _unwrap(element: Json) -> Iterator[tuple[str, Json]]:
    """nft prints a bare value, or {"elem": {"val": …, "expires": …}} once there is a time-out or comment."""
    if isinstance(element, dict) and "elem" in element:
        yield from element["elem"].items()
    else:
        yield "val", element


def same(value: Json, address: Address, port: int | None) -> bool:
    """Is the element this address, or this address and port? `value` is its `val`."""
    if isinstance(value, dict):
        return bool(value.get("concat") == [str(address), port])
    return port is None and bool(value == str(address))


def hooked(known: Iterable[Json], hook: str) -> set[str]:
    """The names of the chains that see the traffic of that hook."""
    return {o["chain"]["name"] for o in known if o.get("chain", {}).get("hook") == hook}


def denying(known: Iterable[Json], chains: set[str], side: str, name: str) -> list[Json]:
    """The rules of those chains that drop or reject what has a member of the set at that side (`daddr`, `saddr`)."""
    rules = (o["rule"] for o in known if o.get("rule", {}).get("chain") in chains)
    return [
        r
        for r in rules
        if any(_of(p, side, name) for p in r["expr"]) and any("drop" in p or "reject" in p for p in r["expr"])
    ]


def _of(part: Json, side: str, name: str) -> bool:
    match = part.get("match", {})
    return (
        bool(match)
        and match["op"] == "=="
        and match["right"] == f"@{name}"
        and f'"{side}"' in json.dumps(match["left"])
    )


def whole(rule: Json) -> bool:
    """Nothing but the set narrows the rule: a reject for TCP alone lets UDP pass."""
    return sum("match" in part for part in rule["expr"]) == 1


def dormant(known: Iterable[Json]) -> bool:
    """The table is switched off: its rules are there and see nothing."""
    return any("dormant" in o["table"].get("flags", ()) for o in known if "table" in o)


def packets(rule: Json) -> int:
    """What the rule's counter counted."""
    return sum(part["counter"]["packets"] for part in rule["expr"] if isinstance(part.get("counter"), dict))
