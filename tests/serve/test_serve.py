"""`hemostat serve` as a process: who may start it and where, what it says, how it ends, what a full disk does to it."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from lab.range import Range
from lab.wsman import certificate
from tasks.model import Outcome, Step
from tests.cli.house import Said, ended, spawn
from tests.patience import BUSY
from tests.serve.house import Office, Serve, alert, wait

pytestmark = pytest.mark.lab
ANNA = {"anna": {"role": "approver", "token": "env:HOME"}}


@pytest.fixture
def serve(office: Office) -> Iterator[Serve]:
    """It serves the site, without Prefect."""
    with Serve(office) as running:
        yield running


def refused(office: Office, *words: str) -> Said:
    """What serve says that does not start."""
    return ended(spawn("serve", "--site", office.folder, "--port", "0", "--no-prefect", *words, cwd=office.folder))


def test_a_first_start_asks_for_nothing(serve: Serve, office: Office) -> None:
    """No inventory/serve.yaml: loopback, and a token that its owner alone can read; an alert is blocked."""
    token = office.folder / ".hemostat" / "token"
    assert token.stat().st_mode & 0o777 == 0o600 and len(serve.token) > 30
    assert str(token) in serve.said and serve.token not in serve.said
    assert serve.url.startswith("http://127.0.0.1:")
    answer = serve.post(alert(0, remote=20))
    assert answer.status_code == 202, answer.text
    assert serve.idle(30)
    (folder,) = office.folders
    assert [i["url"] for i in answer.json()["incidents"]] == [f"{serve.url}/incidents/{folder.name}"]
    assert office.state(folder.name).ends[Step.BLOCK].outcome is Outcome.DONE
    assert f"{folder.name}: contained" in serve.said


def test_it_may_open_more_files_than_a_process_usually_may(office: Office) -> None:
    """Connections, finished or not, shall not take those that journals and devices need."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, usual[1]), usual[1]))
    try:
        with Serve(office) as serve:
            soft, _ = psutil.Process(serve.process.pid).rlimit(psutil.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
    assert soft == min(16_384, usual[1])


def test_its_health_says_counts_and_no_names(serve: Serve) -> None:
    """Whoever asks has not logged in."""
    assert serve.health() == {
        "ok": True,
        "inbox": {"alerts": 0, "incidents": 0, "open": 0, "orders": 0},
        "worker": {"urgent": 0, "later": 0, "show": 0, "in work": 0, "in trouble": 0},
        "prefect": "off",
    }


def test_a_second_one_for_the_same_site_is_refused(serve: Serve, office: Office) -> None:
    """Two runners would only hold each other up; the lock ends with its holder, also by SIGKILL."""
    said = refused(office)
    assert said.code == 3 and "another hemostat serve runs" in said.text
    serve.kill()
    serve.start()


@pytest.mark.parametrize(
    ("words", "content", "says"),
    [
        (("--listen", "0.0.0.0"), {}, ["tls_certificate and tls_key, or behind_proxy", "people: {anna:"]),
        (("--listen", "0.0.0.0"), {"behind_proxy": "192.0.2.80"}, ["people: {anna:"]),
        (("--listen", "::"), {"people": ANNA}, ["tls_certificate and tls_key"]),
        (("--listen", "somewhere"), {}, ["an address is wanted"]),
        (("--listen", "192.0.2.77"), {"behind_proxy": "::1", "people": ANNA}, ["listen at 192.0.2.77"]),
        ((), {"people": {"anna": {"role": "approver", "token": "env:NOT_THERE"}}}, ["NOT_THERE", "it is not set"]),
        ((), {"senders": {"s": {"source": "plain"}}}, ["serve.yaml:", "give it a token"]),
        ((), {"tls_certificate": "/etc/a.pem"}, ["tls_key is missing"]),
        ((), {"public_url": "https://[pages"}, ["public_url", "HOST[:PORT]"]),
        ((), {"tls_certificate": "/no/a.pem", "tls_key": "/no/a.key"}, ["TLS", "/no/a.pem"]),
    ],
)  # fmt: skip
def test_it_does_not_start_where_that_is_not_safe(
    office: Office, words: tuple[str, ...], content: dict[str, object], says: list[str]
) -> None:
    """Each refusal says what to write; nothing listens."""
    office.write("inventory/serve.yaml", content)
    said = refused(office, *words)
    assert said.code == 2, said.text
    assert all(part in said.text for part in says), said.text
    assert "Traceback" not in said.text


@pytest.mark.parametrize("name", ["reports", ".hemostat"])
def test_a_folder_that_cannot_be_used_is_told(office: Office, name: str) -> None:
    """Before any alert is taken: whose incident nobody could open."""
    (office.folder / name).write_text("in the way")
    said = refused(office)
    assert said.code == 2 and str(office.folder / name) in said.text and "Traceback" not in said.text, said.text


def test_a_port_that_is_taken_is_told(office: Office) -> None:
    """In words, with the option that helps."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        said = refused(office, "--port", str(other.getsockname()[1]))
    assert said.code == 2 and "--port" in said.text and "in use" in said.text


def test_tls_of_its_own(office: Office) -> None:
    """With a certificate it speaks https, and nothing else."""
    own = certificate.made(office.folder, "serve")
    office.write("inventory/serve.yaml", {"tls_certificate": str(own.file), "tls_key": str(own.key)})
    with Serve(office, trust=own.file) as serve:
        assert serve.url.startswith("https://127.0.0.1:") and serve.health()["ok"]
        with pytest.raises(httpx.HTTPError):
            httpx.get(serve.url.replace("https", "http") + "/healthz")


def test_a_proxy_is_known_by_its_own_address(office: Office) -> None:
    """It names the person and, in X-Forwarded-For, whom it speaks for: that one must not be taken for the proxy's address."""
    headers = {"X-User": "anna", "X-Role": "approver", "X-Forwarded-For": "203.0.113.5"}
    for proxy, status in (("127.0.0.1", 200), ("192.0.2.80", 303)):
        office.write("inventory/serve.yaml", {"behind_proxy": proxy, "user_header": "X-User", "role_header": "X-Role"})
        with Serve(office) as serve:
            answer = httpx.get(f"{serve.url}/incidents", headers=headers)
            assert answer.status_code == status, answer.headers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order_and_the_next_start_goes_on(office: Office, number: int) -> None:
    """No step is begun any more, the one under way ends; nothing is refused in the journal, and the rest comes later."""
    office.lab.faults(delay=1.0)
    with Serve(office) as serve:
        serve.post(alert(1, remote=21 + number))
        assert wait(lambda: bool(office.folders) and _runs(office, Step.BLOCK), 10)
        serve.process.send_signal(number)
        assert wait(lambda: not _listens(serve), 10)
        office.lab.faults()  # not before it has heard the signal: the block must be what is under way
        serve.process.wait(30 * BUSY)
        assert serve.kill() == 0 and "ended" in serve.said
        (folder,) = office.folders
        ends = office.state(folder.name).ends
        assert set(ends) == {Step.CONFIRM, Step.BLOCK} and all(e.outcome.finished for e in ends.values()), ends
        serve.start()
        assert serve.idle(30)
        assert Step.VERIFY in office.state(folder.name).ends


def test_a_second_signal_ends_it_at_once(office: Office) -> None:
    """A person who types Ctrl-C twice means it; the step that was cut off goes on at the next start."""
    office.lab.faults(delay=1.0)
    with Serve(office) as serve:
        serve.post(alert(2, remote=50))
        assert wait(lambda: bool(office.folders) and _runs(office, Step.BLOCK), 10)
        serve.process.send_signal(signal.SIGINT)
        assert wait(lambda: not _listens(serve), 10)
        assert serve.kill(signal.SIGINT) == 128 + signal.SIGINT
        office.lab.faults()
        serve.start()
        assert serve.idle(30)
        assert office.state(office.folders[0].name).ends[Step.BLOCK].outcome is Outcome.DONE


def _listens(serve: Serve) -> bool:
    try:
        httpx.get(f"{serve.url}/healthz", timeout=5)
    except httpx.HTTPError:
        return False
    return True


def test_an_incident_of_the_command_line_that_was_cut_off_goes_on(office: Office) -> None:
    """`hemostat respond` died by SIGKILL in the middle of a step; the next serve finds it in the reports."""
    office.lab.faults(delay=1.0)
    secrets = {name: os.environ[name] for name in office.lab.environment}
    words = ("respond", "h000", "--remote", "203.0.113.60", "--no-prefect", "--yes", "--site", office.folder)
    person = spawn(*words, cwd=office.folder, **secrets)
    assert wait(lambda: bool(office.folders) and _runs(office, Step.BLOCK), 20)
    person.kill()
    person.communicate()
    office.lab.faults()
    with Serve(office) as serve:
        assert wait(lambda: Step.VERIFY in office.state(office.folders[0].name).ends, 30)
        assert serve.idle(10)
    assert office.state(office.folders[0].name).ends[Step.BLOCK].outcome is Outcome.DONE


def _runs(office: Office, step: Step) -> bool:
    return any(
        r.kind == "step.started" and r.data["step"] == step for r in office.state(office.folders[0].name).records
    )


def test_prefect_is_brought_up_again_and_shows_what_it_missed(office: Office) -> None:
    """Its server dies by SIGKILL: serve goes on, starts it anew at the same address, and every run is on its pages in the end."""
    with Serve(office, words=()) as serve:
        assert wait(lambda: serve.health()["prefect"] == "up", 60), "Prefect did not come up"
        serve.child("-m prefect").kill()
        assert wait(lambda: serve.health()["prefect"] == "down", 10)
        serve.post(alert(0, remote=61))
        assert wait(lambda: bool(office.folders) and Step.VERIFY in office.state(office.folders[0].name).ends, 30)
        assert wait(lambda: serve.health()["prefect"] == "up", 60), "nobody brought Prefect up again"
        assert wait(lambda: bool(office.state(office.folders[0].name).flow_run), 60), "Prefect does not show the run"
        assert serve.idle(30)
        state = office.state(office.folders[0].name)
        assert all(count == 1 for count in state.attempts.values()), "a step ran again to be shown"


def test_the_process_of_the_later_steps_may_die(office: Office) -> None:
    """It is killed in the middle of a verification: its incident goes on in the next one, and no act is done twice."""
    office.write("playbooks/beacon.yaml", {"verify": {"intervals": 1, "at_least": 8.0, "at_most": 9.0}})
    with Serve(office) as serve:
        serve.post(alert(0, remote=62))
        assert wait(lambda: bool(office.folders) and _runs(office, Step.VERIFY), 30)
        backroom = serve.child("-m flows.backroom")
        backroom.kill()
        assert wait(lambda: Step.VERIFY in office.state(office.folders[0].name).ends, 30)
        assert serve.idle(10) and serve.child("-m flows.backroom").pid != backroom.pid
        state = office.state(office.folders[0].name)
        assert state.attempts[Step.VERIFY] == 2 and state.attempts[Step.BLOCK] == 1
        assert len([r for r in state.records if r.kind == "intent"]) == 1
        left = serve.child("-m flows.backroom")
        serve.kill()
        assert wait(lambda: _over(left), 10), "it outlived its serve"


def _over(process: psutil.Process) -> bool:
    """It has ended; where nobody reaps orphans, as in some containers, it stays as a zombie."""
    with suppress(psutil.NoSuchProcess):
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    return True


@pytest.mark.range
def test_a_full_disk_takes_nothing_and_says_507(lab: Range, tmp_path: Path) -> None:
    """A real file system of 3 MiB runs full: 507, nothing half written; with room again the same alerts are taken, once."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs here: {mounted.stderr.decode().strip()}")
    try:
        _fill_and_free(Office(place / "site", lab))
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def _fill_and_free(office: Office) -> None:
    office.furnish(3)
    with Serve(office) as serve:
        assert serve.post(alert(0, remote=70)).status_code == 202
        assert serve.idle(30)
        filler = _fill(office.folder)
        many = [alert(1, number, f"rule {number}", remote=71) for number in range(200)]
        answer = serve.post(*many)
        assert answer.status_code == 507, answer.text
        assert "nothing was taken" in answer.text and "make room" in answer.text
        assert serve.health()["inbox"]["alerts"] == 1
        filler.unlink()
        answer = serve.post(alert(1, 0, remote=71), alert(2, 0, remote=72))
        assert answer.status_code == 202, answer.text
        assert serve.idle(60), serve.health()
        assert serve.health()["inbox"]["alerts"] == 3
    assert {office.state(f.name).ends[Step.BLOCK].outcome for f in office.folders} == {Outcome.DONE}


def _fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 512):
            while True:
                try:
                    if file.write(bytes(size)) < size:
                        break
                except OSError:
                    break
    return filler
