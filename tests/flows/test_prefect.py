"""The respond flow on a real Prefect server: what its pages show, and that no fault of Prefect's stops a run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flows import doors
from flows.engine import Nobody
from flows.launch import Launch, carry_on, urgent
from flows.server import Server
from lab.range import Range
from tasks.case import load_state, opened, reopened
from tasks.model import Approval, Mode, Outcome, Step
from tasks.settings import Playbook
from tasks.state import State
from tests.patience import until

pytestmark = [
    pytest.mark.lab,
    # Prefect's own client leaves its sockets and websockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Range]:
    with Range(tmp_path / "range", "keepalive", 0.2) as range_:
        for name, value in range_.environment.items():
            monkeypatch.setenv(name, value)
        range_.write_site(tmp_path / "site")
        yield range_


def quick(playbook: Playbook, cleanup: Approval = Approval.AUTO) -> Playbook:
    """The drill's playbook with windows that a test can wait for."""
    return replace(
        playbook,
        confirm=replace(playbook.confirm, window=0.4),
        triage=replace(playbook.triage, window=0.4),
        verify=replace(playbook.verify, at_least=0.8, intervals=3),
        approvals={Step.BLOCK: Approval.AUTO, Step.CLEANUP: cleanup},
    )


def start(lab: Range, folder: Path, cleanup: Approval = Approval.AUTO) -> tuple[Path, Launch]:
    """Open the incident and run the urgent steps, as a door does."""
    site, (request,) = doors.by_alert(folder / "site", "suricata", lab.alert(), Mode.DRILL)
    launch = Launch()
    with opened(folder / "reports", site, replace(request, playbook=quick(request.playbook, cleanup))) as case:
        urgent(case, launch)
        return case.folder, launch


def pages(state: State) -> dict[str, Any]:
    """What Prefect's API says of the incident's flow run."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        ArtifactFilter,
        ArtifactFilterFlowRunId,
        FlowRunFilter,
        FlowRunFilterId,
        LogFilter,
        LogFilterFlowRunId,
    )

    async def read() -> dict[str, Any]:
        run = UUID(state.flow_run)
        this = FlowRunFilter(id=FlowRunFilterId(any_=[run]))
        async with get_client() as client:
            return {
                "flow": await client.read_flow_run(run),
                "tasks": {t.name: t for t in await client.read_task_runs(flow_run_filter=this)},
                "artifacts": await client.read_artifacts(
                    artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
                ),
                "logs": await client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run]))),
            }

    return asyncio.run(read())


def named(tasks: dict[str, Any]) -> dict[str, str]:
    """Each task run's state by its name."""
    return {name: task.state.name for name, task in tasks.items()}


def test_pages_show_each_step_with_its_outcome(prefect: Server, lab: Range, tmp_path: Path) -> None:
    """Seven task runs, named after step and host, tagged, with the outcome as state name, an artifact and logs each."""
    folder, launch = start(lab, tmp_path)
    end = carry_on(folder, launch, prefect, 30)
    assert end is not None and end.outcome is Outcome.DONE, end
    state = load_state(folder)
    wanted = {f"{step} victim": state.ends[step].outcome.name.title().replace("_", "") for step in Step}
    # Task states are events to the server, which has taken them all, and writes them into its tables a little later.
    until(lambda: named(pages(state)["tasks"]) == wanted, 20, 0.2)
    shown = pages(state)
    assert named(shown["tasks"]) == wanted
    assert all(
        f"incident:{state.incident.id}" in task.tags and "host:victim" in task.tags for task in shown["tasks"].values()
    )
    assert shown["flow"].state.name == "Done"
    assert shown["flow"].parameters["remote"] == str(lab.remote)
    assert {a.key for a in shown["artifacts"]} == {f"{step}-{state.incident.id}" for step in Step}
    assert until(lambda: any(str(lab.remote.address) in log.message for log in pages(state)["logs"]), 20, 0.2)
    secrets = [lab.plan.password, lab.plan.secret]
    everything = json.dumps(shown, default=str)
    assert not [s for s in secrets if s in everything], "a secret reached Prefect"


def test_waiting_pauses_the_flow_run_and_approval_goes_on_with_the_same(
    prefect: Server, lab: Range, tmp_path: Path
) -> None:
    """AwaitingApproval holds no process; a resume without approval stays closed; after approval the same run completes."""
    folder, launch = start(lab, tmp_path, Approval.ASK)
    end = carry_on(folder, launch, prefect, 30)
    assert end is not None and end.outcome is Outcome.WAITING
    state = load_state(folder)
    assert pages(state)["flow"].state.name == "AwaitingApproval"

    again = carry_on(folder, Launch(), prefect, 30)
    assert again is not None and again.outcome is Outcome.WAITING, "the gate opened without an approval"
    assert lab.beacons(), "the beacon was killed without an approval"

    with reopened(folder) as case:
        digest = case.state.plans[Step.CLEANUP].digest
        case.record("approval.given", step=Step.CLEANUP, digest=digest, by="anna", via="test")
    end = carry_on(folder, Launch(), prefect, 30)
    assert end is not None and end.outcome is Outcome.DONE, end
    after = load_state(folder)
    assert after.flow_run == state.flow_run, "the approval opened a second flow run"
    assert pages(after)["flow"].state.name == "Done"


def test_a_dead_prefect_is_noted_and_the_run_goes_on(
    lab: Range, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens at PREFECT_API_URL: the journal says so and all seven steps are done."""
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    folder, launch = start(lab, tmp_path)
    end = carry_on(folder, launch, Server(tmp_path / "home"), 0.2)
    assert end is not None and end.outcome is Outcome.DONE
    notes = [r.data for r in load_state(folder).records if r.kind == "prefect"]
    assert notes == [{"unavailable": "its server did not answer in time"}]


def test_a_prefect_that_is_killed_meanwhile_does_not_stop_the_run(
    prefect: Server, lab: Range, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGKILL of the server while the flow is in triage: the run goes on without it, and no step runs twice. Last: it ends the server."""

    class Killer(Nobody):
        def started(self, step: Step) -> None:
            if step is Step.TRIAGE and prefect._process is not None:
                os.killpg(prefect._process.pid, signal.SIGKILL)

    from prefect.context import refresh_global_settings_context

    monkeypatch.setenv("PREFECT_CLIENT_MAX_RETRIES", "1")  # the product's own: each of these would wait in vain
    refresh_global_settings_context()
    folder, launch = start(lab, tmp_path)
    launch.watcher = Killer()
    end = carry_on(folder, launch, prefect, 5)
    assert end is not None and end.outcome is Outcome.DONE, end
    state = load_state(folder)
    said = [r for r in state.records if r.kind == "prefect" and "unavailable" in r.data]
    assert said, "the journal does not say that Prefect died"
    assert all(state.attempts[step] == 1 for step in Step), "a step was executed twice"
