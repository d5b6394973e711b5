"""Remote shells of a WS-Management service (MS-WSMV 3.1.4): what each action does, and the quotas. Knows no HTTP and no login."""

from __future__ import annotations

import base64
import binascii
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from lab.wsman import soap
from lab.wsman.faults import Faults
from lab.wsman.machine import Machine, Output, Pipes, Shell, run
from lab.wsman.soap import RSP, Fault, Request

REMEMBERED = 64
LONGEST = 60.0


@dataclass
class Opened:
    """A shell and its commands, by their ids."""

    shell: Shell
    commands: dict[str, Pipes] = field(default_factory=dict)


class Answer(threading.Event):
    """One message's answer, once it is there: (HTTP status, envelope)."""

    status = 200
    body = b""


class Service:
    """The shells of one host. `log` holds the action of every message that was worked on, replays not."""

    def __init__(self, machine: Machine, faults: Faults) -> None:
        self.machine, self.faults = machine, faults
        self.log: list[str] = []
        self.shells: dict[str, Opened] = {}
        self._answers: OrderedDict[tuple[str, str], Answer] = OrderedDict()
        self._lock = threading.Lock()
        self._running = 0
        self._does: dict[str, Callable[[Request, str], str]] = {
            "Create": self._create,
            "Delete": self._delete,
            "Get": self._get,
            "Command": self._command,
            "Send": self._send,
            "Receive": self._receive,
            "Signal": self._signal,
        }

    def handle(self, data: bytes, user: str) -> tuple[str, int, bytes]:
        """One message → its action, HTTP status and envelope. A message id that was there before gets the answer it got then."""
        try:
            if len(data) > self.faults.envelope:
                raise Fault(2150858824, "w:EncodingLimit", "The request is larger than MaxEnvelopeSizekb.")
            request = soap.read(data)
        except Fault as found:
            return "", 500, soap.fault(found, "")
        key = (user, request.id)
        with self._lock:
            known = self._answers.get(key)
            answer = known or self._remember(key)
        if known:
            known.wait(LONGEST)
        else:
            answer.status, answer.body = self._work(request, user)
            answer.set()
        return request.action, answer.status, answer.body

    def _remember(self, key: tuple[str, str]) -> Answer:
        answer = self._answers[key] = Answer()
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return answer

    def _work(self, request: Request, user: str) -> tuple[int, bytes]:
        with self._lock:
            self.log.append(request.action)
            self._running += 1
            crowded = self._running > self.faults.operations
        try:
            if crowded:
                raise Fault(
                    2150859174, "w:QuotaLimit", "The maximum number of concurrent operations has been exceeded."
                )
            if request.action not in ("Create", "Get"):
                self._shell(request, user)
            return 200, soap.answer(request, self._does[request.action](request, user))
        except Fault as found:
            return 500, soap.fault(found, request.id)
        finally:
            with self._lock:
                self._running -= 1

    def stop(self) -> None:
        """End every shell and forget every answer, as the service does when it stops."""
        with self._lock:
            self._answers.clear()
        for id_ in tuple(self.shells):
            self._end(id_)

    def _end(self, id_: str) -> None:
        opened = self.shells.pop(id_, None)
        for pipes in opened.commands.values() if opened else ():
            pipes.stop()

    def _create(self, request: Request, user: str) -> str:
        if request.resource != soap.CMD:
            raise Fault(2150858752, "a:DestinationUnreachable", "There is no resource of that URI.")
        if self.faults.denied:
            raise Fault(5, "w:AccessDenied", "Access is denied.")
        if self.faults.take_busy():
            raise Fault(170, "w:InternalError", "The requested resource is in use.", sender=False)
        page = int(request.options.get("WINRS_CODEPAGE", "437"))
        shell = Shell(
            str(uuid.uuid4()).upper(), user, self.faults.codepage or page, self.faults.language, self.faults.clock
        )
        with self._lock:
            if sum(o.shell.user == user for o in self.shells.values()) >= self.faults.shells:
                raise Fault(2150859173, "w:QuotaLimit", "The maximum number of concurrent shells has been exceeded.")
            self.shells[shell.id] = Opened(shell)
        return self._described(shell) + soap.selector(shell.id)

    @staticmethod
    def _described(shell: Shell) -> str:
        return (
            f"<rsp:Shell><rsp:ShellId>{shell.id}</rsp:ShellId><rsp:ResourceUri>{soap.CMD}</rsp:ResourceUri>"
            f"<rsp:Owner>{escape(shell.user)}</rsp:Owner><rsp:ClientIP>127.0.0.1</rsp:ClientIP>"
            "<rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut><rsp:InputStreams>stdin</rsp:InputStreams>"
            "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
        )

    def _shell(self, request: Request, user: str) -> Opened:
        opened = self.shells.get(request.selectors.get("ShellId", ""))
        if opened is None or opened.shell.user != user or request.selectors.keys() != {"ShellId"}:
            raise Fault(
                2150858843, "w:InvalidSelectors", "The shell was not found on the server: the selectors are not valid."
            )
        if request.resource not in (soap.CMD, soap.RSP):
            raise Fault(2150858752, "a:DestinationUnreachable", "There is no resource of that URI.")
        return opened

    def _get(self, request: Request, user: str) -> str:
        if request.resource == soap.CONFIG:
            size = self.faults.envelope // 1024
            return f'<cfg:Config xmlns:cfg="{soap.CONFIG}"><cfg:MaxEnvelopeSizekb>{size}</cfg:MaxEnvelopeSizekb></cfg:Config>'
        return self._described(self._shell(request, user).shell)

    def _delete(self, request: Request, user: str) -> str:
        self._end(self._shell(request, user).shell.id)
        return ""

    def _command(self, request: Request, user: str) -> str:
        opened, line = self._shell(request, user), request.first
        command = line.findtext(f"{{{RSP}}}Command")
        if line.tag != f"{{{RSP}}}CommandLine" or not command:
            raise Fault(2150858791, "w:SchemaValidationError", "The body is no CommandLine.")
        arguments = [element.text or "" for element in line.findall(f"{{{RSP}}}Arguments")]
        if len(command) + sum(map(len, arguments)) > 8191:
            raise Fault(2150858791, "w:SchemaValidationError", "The command line is too long.")
        id_ = str(line.get("CommandId") or uuid.uuid4()).upper()
        pipes = opened.commands[id_] = Pipes(self.faults.rewrite)
        run(self.machine.start(opened.shell, command, arguments), pipes)
        return f"<rsp:CommandResponse><rsp:CommandId>{id_}</rsp:CommandId></rsp:CommandResponse>"

    def _pipes(self, request: Request, user: str, id_: str | None) -> Pipes:
        pipes = self._shell(request, user).commands.get((id_ or "").upper())
        if pipes is None:
            raise Fault(2150859085, "w:InvalidParameter", "There is no command of that id in the shell.")
        return pipes

    def _send(self, request: Request, user: str) -> str:
        for stream in request.first.findall(f"{{{RSP}}}Stream"):
            pipes = self._pipes(request, user, stream.get("CommandId"))
            try:
                data = base64.b64decode(stream.text or "", validate=True)
            except binascii.Error:
                raise Fault(2150858791, "w:SchemaValidationError", "The stream is no base64.") from None
            if stream.get("Name") != "stdin" or not pipes.feed(data, (stream.get("End") or "").lower() == "true"):
                raise Fault(2150859147, "w:InvalidParameter", "There is no such input stream, or it has ended.")
        return "<rsp:SendResponse/>"

    def _receive(self, request: Request, user: str) -> str:
        wanted = request.first.find(f"{{{RSP}}}DesiredStream")
        id_ = "" if wanted is None else wanted.get("CommandId") or ""
        pipes = self._pipes(request, user, id_)
        room = (min(request.envelope, self.faults.envelope) - 2048) * 3 // 4
        output = pipes.take(room - room % 3, min(request.timeout, LONGEST))
        if output is None:
            raise Fault(2150858793, "w:TimedOut", "The operation did not end in the time given.", sender=False)
        return _received(id_, output)

    def _signal(self, request: Request, user: str) -> str:
        self._pipes(request, user, request.first.get("CommandId")).stop()
        return "<rsp:SignalResponse/>"


def _received(id_: str, output: Output) -> str:
    pieces = {"stdout": output.out, "stderr": output.err}
    streams = [soap.stream(name, id_, base64.b64encode(data).decode()) for name, data in pieces.items() if data]
    state = "Running"
    ended = ""
    if output.code is not None:
        streams += [soap.stream(name, id_, "", end=True) for name in pieces]
        state, ended = "Done", f"<rsp:ExitCode>{output.code}</rsp:ExitCode>"
    told = f'<rsp:CommandState CommandId="{id_}" State="{RSP}/CommandState/{state}">{ended}</rsp:CommandState>'
    return f"<rsp:ReceiveResponse>{''.join(streams)}{told}</rsp:ReceiveResponse>"
