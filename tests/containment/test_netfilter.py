"""What nft's answers are read as: an answer that failed is never the absence of a rule."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tasks.containment.netfilter import Filter
from tasks.model import TargetError
from tasks.transports.hands import Ran


@dataclass
class Nft:
    """A host whose nft answers with this."""

    answer: Ran

    def run(self, argv: list[str]) -> Ran:
        assert argv[-4:] == ["list", "table", "inet", "hemostat_host"]
        return self.answer


def test_no_table_is_an_answer() -> None:
    """The words of nft 1.0 for a table that is not there."""
    none = Filter(Nft(Ran(1, b"", b"Error: No such file or directory\nlist table inet hemostat_host\n")), "nft")  # type: ignore[arg-type]
    assert (none.table("hemostat_host"), none.text("hemostat_host")) == (None, "")


@pytest.mark.parametrize(
    "words", [b"netlink: Error: cache initialization failed: Interrupted system call", b"Killed", b""]
)
def test_a_failed_look_is_no_absence(words: bytes) -> None:
    """The dump that another process's change interrupts: an undo must not tell that nothing of ours is left."""
    broken = Filter(Nft(Ran(1, b"", words)), "nft")  # type: ignore[arg-type]
    for look in (broken.table, broken.text):
        with pytest.raises(TargetError, match="read the host's table"):
            look("hemostat_host")
