"""`hemostat check --learn` for a Windows host: the certificate is shown, compared with the pin, and pinned where the inventory has it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import learn
from lab.wsman import Wsman, made
from tasks import site as sites
from tests.cli.house import say
from tests.transports.winrm_house import listening

pytestmark = pytest.mark.lab
HOSTS = """# our hosts
win-1: # the terminal server
  hostname: 127.0.0.1
  platform: windows
  transport: winrm
  port: %d
  username: ops
  password: env:WIN
plain-1:
  hostname: 127.0.0.1
  platform: windows
  transport: winrm
  winrm: {tls: false} # sealed
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Wsman]:
    with listening(tmp_path, made(tmp_path, "win-1")) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, server: Wsman) -> Path:
    """A site whose only hosts are Windows."""
    (tmp_path / "inventory").mkdir()
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "inventory" / "hosts.yaml").write_text(HOSTS % server.port)
    (tmp_path / "inventory" / "policy.yaml").write_text("{}\n")
    (tmp_path / "playbooks" / "beacon.yaml").write_text("description: a test's own\n")
    return tmp_path


def test_a_new_certificate_is_shown_and_pinned_after_a_yes(site: Path, server: Wsman) -> None:
    """Nobody at a terminal is a no: nothing is written. After the pin it is the known one; comments stay."""
    path = site / "inventory" / "hosts.yaml"
    said = say("check", "--learn", "win-1", "--site", site)
    assert said.code == 5
    assert server.certificate.sha256 in said.text
    assert "certificate_sha256: " + server.certificate.sha256 in said.text
    assert path.read_text() == HOSTS % server.port
    learn.pin(site, learn.look(sites.load(site), "win-1"))
    said = say("check", "--learn", "win-1", "--site", site)
    assert (said.code, "it is the pinned one" in said.text) == (0, True)
    assert sites.load(site).host("win-1").winrm.certificate_sha256 == server.certificate.sha256
    assert all(comment in path.read_text() for comment in ("# our hosts", "# the terminal server", "# sealed"))
    assert server.log == [], "no login may be tried"


def test_a_changed_certificate_is_told_with_both_fingerprints(site: Path, server: Wsman) -> None:
    """A pin with colons, as openssl prints it, is compared too; then another one is shown as changed."""
    path = site / "inventory" / "hosts.yaml"
    whole = path.read_text()
    own = ":".join(server.certificate.sha256.upper()[at : at + 2] for at in range(0, 64, 2))
    path.write_text(whole.replace("password: env:WIN", f"password: env:WIN\n  winrm: {{certificate_sha256: '{own}'}}"))
    assert say("check", "--learn", "win-1", "--site", site).code == 0
    path.write_text(
        whole.replace("password: env:WIN", f"password: env:WIN\n  winrm: {{certificate_sha256: {'ab' * 32}}}")
    )
    said = say("check", "--learn", "win-1", "--site", site)
    assert said.code == 5
    assert "IT HAS CHANGED" in said.text
    assert "ab" * 32 in said.text
    assert server.certificate.sha256 in said.text


def test_a_host_without_tls_has_no_certificate(site: Path) -> None:
    """Told in plain words."""
    said = say("check", "--learn", "plain-1", "--site", site)
    assert said.code == 2
    assert "shows no certificate" in said.text
