"""The form on a real Prefect server: what it asks, and that a run that its API starts opens a real incident behind the same guards."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flows.launch import Launch, carry_on
from flows.server import Server
from lab.range import Range
from tasks.case import incidents, load_state, reopened
from tasks.model import Outcome, Step
from tests.cli.house import CODE, QUICK, REMOTE, House
from tests.patience import BUSY, until

pytestmark = [
    pytest.mark.lab,
    # Prefect's own client leaves its sockets and websockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def house(prefect_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A site before a running range; the Prefect server is its own."""
    folder = tmp_path_factory.mktemp("deploy")
    with Range(folder / "range", "keepalive", 0.2) as lab, pytest.MonkeyPatch.context() as patch:
        for name, value in lab.environment.items():
            patch.setenv(name, value)
        made = House(prefect_site, lab)
        lab.write_site(made.folder)
        made.merge("playbooks/beacon.yaml", QUICK)
        made.merge("playbooks/ask.yaml", {**QUICK, "approvals": {"block": "ask", "cleanup": "auto"}})
        yield made


@pytest.fixture(scope="module")
def deployment(house: House, prefect: Server) -> Iterator[UUID]:
    """`hemostat deploy` as a process of its own: it finds the site's server by itself. The deployment's id, from what it said."""
    words = [sys.executable, "-m", "flows.cli", "deploy", "--site", str(house.folder)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    with (house.folder / "deploy.log").open("wb") as log:
        process = subprocess.Popen(
            words,
            env={**kept, "PYTHONPATH": str(CODE), "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    said = house.folder / "deploy.log"
    try:
        came = until(lambda: "/deployments/deployment/" in said.read_text() or process.poll() is not None, 60, 0.2)
        assert came and process.poll() is None, said.read_text()
        yield UUID(said.read_text().split("/deployments/deployment/")[1].split("/")[0])
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30 * BUSY)


def ask(call: Callable[[Any], Any]) -> Any:
    """One call of Prefect's client."""
    from prefect.client.orchestration import get_client

    async def go() -> Any:
        async with get_client() as client:
            return await call(client)

    return asyncio.run(go())


def start(deployment: UUID, **parameters: str) -> Any:
    """What the form's button does; the flow run once it is over."""
    run = ask(lambda client: client.create_flow_run_from_deployment(deployment, parameters=parameters))

    def over() -> bool:
        state = ask(lambda client: client.read_flow_run(run.id)).state
        return bool(state.is_final() or state.is_paused())

    assert until(over, 90, 0.2), "the flow run did not end"
    return ask(lambda client: client.read_flow_run(run.id))


def test_the_form_asks_for_host_remote_playbook_and_reason(deployment: UUID) -> None:
    """Typed, with words for each, and only the first two needed; nothing of the machine is asked for."""
    schema = ask(lambda client: client.read_deployment(deployment)).parameter_openapi_schema
    fields = schema["properties"]
    assert list(fields) == ["host", "remote", "playbook", "reason"]
    assert {field["type"] for field in fields.values()} == {"string"}
    assert all(field["title"] and field["description"] for field in fields.values())
    assert schema["required"] == ["host", "remote"] and fields["playbook"]["default"] == "beacon"
    assert "victim" in fields["host"]["enum"] and "beacon" in fields["playbook"]["enum"]


def test_a_run_from_the_form_is_an_incident(deployment: UUID, house: House) -> None:
    """The firewall denies the address, the journal says by which flow run and why, Prefect shows each step as it ended.

    No beacon speaks to this address, so that verify never says that the host is clean, and the run stops there.
    """
    run = start(deployment, host="victim", remote=REMOTE, reason="the desk saw it")
    folder = house.incidents[-1]
    state = load_state(folder)
    assert state.last is Step.VERIFY and state.outcome is Outcome.FAILED, (run.state, state.ends)
    assert {step for step in Step if state.done(step)} == set(Step) - {Step.VERIFY, Step.REPORT}
    assert REMOTE in house.configuration()[0]
    assert (state.incident.reason, str(state.incident.remote), state.flow_run) == (
        "the desk saw it",
        REMOTE,
        str(run.id),
    )
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    this = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))

    def shown() -> list[Any]:
        return list(ask(lambda client: client.read_task_runs(flow_run_filter=this)))

    wanted = {f"{step} victim": end.outcome.name.title().replace("_", "") for step, end in state.ends.items()}
    # Task states are events to the server, which writes them into its tables a little later.
    until(lambda: {task.name: task.state.name for task in shown()} == wanted, 20, 0.2)
    assert {task.name: task.state.name for task in shown()} == wanted
    assert run.state.name == "Failed" and f"incident:{folder.name}" in {tag for task in shown() for tag in task.tags}


def test_an_approval_goes_on_in_the_same_flow_run(deployment: UUID, prefect: Server, house: House) -> None:
    """A playbook that asks before the block: Paused, nothing denied; after a person's yes the form's own flow run goes on."""
    run = start(deployment, host="victim", remote="203.0.113.50", playbook="ask")
    assert (run.state.name, run.state.is_paused()) == ("AwaitingApproval", True), run.state
    assert "203.0.113.50" not in house.configuration()[0]
    folder = house.incidents[-1]
    with reopened(folder) as case:
        case.record(
            "approval.given", step=Step.BLOCK, digest=case.state.plans[Step.BLOCK].digest, by="anna", via="test"
        )
    carry_on(folder, Launch(), prefect, 30)
    assert "203.0.113.50" in house.configuration()[0]
    state = load_state(folder)
    assert state.flow_run == str(run.id), "the approval opened a second flow run"
    assert ask(lambda client: client.read_flow_run(run.id)).state.name == "Failed"  # verify, as above


def test_a_run_that_asks_for_nonsense_fails_and_does_nothing(deployment: UUID, house: House) -> None:
    """The flow run says why; no incident opens."""
    before = len(incidents(house.reports))
    run = start(deployment, host="victim", remote="c2.example; reboot")
    assert run.state.is_failed() and "is not an IP address" in run.state.message, run.state
    assert len(incidents(house.reports)) == before


@pytest.mark.parametrize(
    "parameters", [{"host": "nobody"}, {"host": "victim", "playbook": "../../etc/passwd"}], ids=str
)
def test_the_form_takes_only_what_the_site_has(parameters: dict[str, str], deployment: UUID) -> None:
    """Prefect refuses the run before there is one, and says which words it would take."""
    from prefect.exceptions import PrefectHTTPStatusError

    with pytest.raises(PrefectHTTPStatusError, match="409") as refused:
        start(deployment, remote=REMOTE, **parameters)
    assert "is not one of" in refused.value.response.text


def test_a_guard_refuses_what_the_command_line_may_not_block_either(deployment: UUID, house: House) -> None:
    """An internal address: the incident is there, its block is refused, and Prefect says so."""
    run = start(deployment, host="victim", remote="10.1.2.3")
    state = load_state(house.incidents[-1])
    assert state.outcome is Outcome.REFUSED, state.ends
    assert run.state.name == "Refused", run.state
    assert "10.1.2.3" not in house.configuration()[0]


def test_a_run_that_is_executed_again_opens_no_second_incident(
    prefect: Server, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect may execute a flow run twice, as after a crash: the incident's name follows from the flow run's."""
    monkeypatch.setenv("HEMOSTAT_SITE", str(house.folder))
    monkeypatch.setenv("HEMOSTAT_REPORTS", str(house.reports))
    before = len(house.incidents)
    done = subprocess.run(
        [sys.executable, "-m", "tests.flows.twice"], cwd=CODE, timeout=120 * BUSY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert len(house.incidents) == before + 1
    state = load_state(house.incidents[-1])
    assert all(state.attempts[step] == 1 for step in Step if state.done(step)), "a finished step was executed twice"


def test_prefect_yaml_registers_the_same_form(prefect: Server, tmp_path: Path) -> None:
    """For a work pool: Prefect's own command takes the repository's prefect.yaml, offline and without a question."""
    ask(lambda client: _pool(client))
    said = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=CODE,
        env={**os.environ, "PYTHONPATH": str(CODE)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120 * BUSY,
    )
    assert said.returncode == 0, said.stdout + said.stderr
    made = ask(lambda client: client.read_deployment_by_name("respond-from-form/respond"))
    assert (made.entrypoint, made.work_pool_name) == ("flows.form.respond_from_form", "hemostat")
    assert list(made.parameter_openapi_schema["properties"]) == ["host", "remote", "playbook", "reason"]


async def _pool(client: Any) -> None:
    from prefect.client.schemas.actions import WorkPoolCreate

    await client.create_work_pool(WorkPoolCreate(name="hemostat", type="process"))
