"""Plays netstat and tasklist over a simulated Windows, in its console's language. Looks only; changes nothing."""

from __future__ import annotations

from lab.windows.looks import Looks
from lab.wsman import Pipes, Shell
from tasks.windows.columns import width


class Consoles:
    """One host's console tools."""

    def __init__(self, looks: Looks) -> None:
        self.looks = looks

    def netstat(self, shell: Shell, pipes: Pipes) -> int:
        """`netstat -ano` in the console's language."""
        chinese = shell.codepage == 936
        head = (
            "活动连接\r\n\r\n  协议  本地地址          外部地址        状态           PID"
            if chinese
            else "Active Connections\r\n"
        )
        rows = [
            f"  TCP    {r['local']}:{r['local_port']}    {r['remote']}:{r['remote_port']}    {_NETSTAT[r['state']]}    {r['pid']}"
            for r in self.looks.connections({})
        ]
        pipes.out("\r\n".join(["", head, *rows, ""]).encode("cp936" if chinese else "utf-8"))
        return 0

    def tasklist(self, shell: Shell, pipes: Pipes) -> int:
        """`tasklist /v`, its columns as wide as Windows makes them."""
        widths = (25, 8, 16, 11, 12, 15, 50, 12, 72)
        rule = " ".join("=" * width for width in widths)
        rows = [
            " ".join(_padded(cell, w, n in (1, 3, 4)) for n, (cell, w) in enumerate(zip(row, widths, strict=True)))
            for row in (
                (p.name, str(p.pid), "Services", "0", "8 K", "Unknown", p.user, "0:00:00", "N/A")
                for p in self.looks.host.alive()
            )
        ]
        pipes.out("\r\n".join(["", rule, *rows, ""]).encode("cp936" if shell.codepage == 936 else "utf-8", "replace"))
        return 0


def _padded(text: str, cells: int, right: bool) -> str:
    """A cell of that many console columns: a Chinese character takes two."""
    kept = ""
    for char in text:
        if sum(map(width, kept + char)) > cells:
            break
        kept += char
    blanks = " " * (cells - sum(map(width, kept)))
    return blanks + kept if right else kept + blanks


_NETSTAT = {"Listen": "LISTENING", "CloseWait": "CLOSE_WAIT", "Established": "ESTABLISHED", "SynSent": "SYN_SENT"}
