"""Of which machine's kernel messages are: a log that many machines write to holds many kernels."""

from __future__ import annotations

from smecheck.errors import MalformedInput
from smecheck.machine.kernel_log import LogLine
from smecheck.read.lines.messages import Message
from smecheck.read.lines.speaker import Speaker

_BEFORE_A_NAME = frozenset({"localhost", "(none)", "fedora", "archlinux"})
"""What a machine calls itself until it knows its name: hostname(5), CONFIG_DEFAULT_HOSTNAME, and
DEFAULT_HOSTNAME of os-release(5) in Fedora and Arch."""


class Hosts:
    """The hosts whose kernels wrote what is read as the word of one."""

    def __init__(self, first: LogLine | None = None) -> None:
        """Begin with a host that is known to have written it, if one is."""
        self.first = first
        """The name of the first, and where it stands."""
        self._other: LogLine | None = None

    def hear(self, message: Message, where: str) -> None:
        """Take note of the host that a message names."""
        prefix = message.prefix
        if not prefix.host or prefix.speaker is not Speaker.KERNEL or self._other is not None:
            return
        host = LogLine(prefix.host, where)
        if self.first is None:
            self.first = host
        elif are_two(self.first, host):
            self._other = host

    def refuse_two(self) -> None:
        """Refuse what the kernels of two hosts wrote.

        Raises:
            MalformedInput: two were heard.
        """
        one, other = self.first, self._other
        if one is None or other is None:
            return
        raise MalformedInput(
            f"is a line of host {other.text}, and {one.where} is of host {one.text}: this is "
            "not the log of one kernel",
            where=other.where,
            help_text=f"give the lines of one host alone: grep -F ' {other.text} ' LOG > one.txt",
        )


def are_two(one: LogLine, other: LogLine) -> bool:
    """Return whether two names are of two machines; with a domain or without, it is one name."""
    names = {host.text.lower().partition(".")[0] for host in (one, other)}
    return len(names) > 1 and _BEFORE_A_NAME.isdisjoint(names)
