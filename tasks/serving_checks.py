"""What inventory/serve.yaml says against the rest of the owner's files, and against what is safe. Knows settings; opens no socket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from tasks import alerts
from tasks.cross_checks import Fault
from tasks.serving import Sender, Serve
from tasks.settings import Site
from tasks.shapes import nearest
from tasks.yaml_lines import Place

FILE = "inventory/serve.yaml"


def faults(site: Site) -> Iterator[Fault]:
    """Everything wrong in it. The file is well-formed by itself already."""
    for name, sender in site.serve.senders.items():
        yield from _sender(name, sender, site)
    yield from _people(site.serve)
    for name, notify in site.serve.notify.items():
        if not notify.url:
            yield Fault(
                FILE, ("notify", name), f"{name}: give it a url, a reference as env:NAME: such a URL is a secret"
            )
    yield from listening(site.serve)


def _sender(name: str, sender: Sender, site: Site) -> Iterator[Fault]:
    place: Place = ("senders", name)
    known = alerts.sources()
    if sender.source not in known:
        text = f"{name}: there is no alert source '{sender.source}'{nearest(sender.source, known)}; known are {', '.join(known)}"
        yield Fault(FILE, (*place, "source"), text)
    if not (sender.token or sender.hmac or sender.url_token):
        yield Fault(FILE, place, f"{name}: give it a token, an hmac or a url_token, or nobody can tell who sends")
    if sender.playbook and sender.playbook not in site.playbooks:
        text = f"{name}: there is no playbook '{sender.playbook}'{nearest(sender.playbook, site.playbooks)}"
        yield Fault(FILE, (*place, "playbook"), text)


def _people(serve: Serve) -> Iterator[Fault]:
    for name, person in serve.people.items():
        if not person.token:
            yield Fault(FILE, ("people", name), f"{name}: give this person a token, a reference as env:NAME")
    if serve.public_url and not _is_url(serve.public_url):
        yield Fault(FILE, ("public_url",), f"public_url: http(s)://HOST[:PORT] is wanted; found '{serve.public_url}'")
    for key in ("user_header", "role_header"):
        if getattr(serve, key) and not serve.behind_proxy:
            yield Fault(FILE, (key,), f"{key}: anybody could send it; it needs behind_proxy, the proxy's address")


def _is_url(text: str) -> bool:
    try:
        return bool(urlsplit(text).hostname) and urlsplit(text).port != 0
    except ValueError:
        return False


def listening(serve: Serve) -> Iterator[Fault]:
    """Who could listen in, or come in. Wider than loopback wants TLS, or a stated proxy that has it, and people with tokens."""
    if bool(serve.tls_certificate) is not bool(serve.tls_key):
        missing = "tls_key" if serve.tls_certificate else "tls_certificate"
        yield Fault(FILE, (missing,), f"{missing} is missing: TLS needs both tls_certificate and tls_key")
    for key in ("listen", "behind_proxy"):
        if text := _no_address(key, getattr(serve, key)):
            yield Fault(FILE, (key,), text)
            return
    if ip_address(serve.listen).is_loopback:
        return
    wider = f"listen: {serve.listen} is wider than loopback"
    if not (serve.tls_certificate or serve.behind_proxy):
        text = f"{wider}, and tokens would go in clear: write tls_certificate and tls_key, or behind_proxy: ADDRESS of a proxy with TLS"
        yield Fault(FILE, ("listen",), text)
    if not (serve.people or serve.user_header):
        text = f"{wider}: write who may come in, as people: {{anna: {{role: approver, token: env:HEMOSTAT_ANNA}}}}"
        yield Fault(FILE, ("listen",), text)


def _no_address(key: str, text: str) -> str:
    with suppress(ValueError):
        ip_address(text or "::1")
        return ""
    return f"{key}: an address is wanted, as 192.0.2.1 or ::1; found '{text}'"
