"""The command line that a kexec command gives to the new kernel."""

from __future__ import annotations

import re

from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.load.kexec_options import KexecOptions
from smecheck.load.versions import NEWEST_TOOLS, Version, stated_version
from smecheck.machine.host import Host

_REMOVES_EVERY: Version = (2, 0, 30)
"""--reuse-cmdline takes out every ``crashkernel=``: 2.0.32 does, 2.0.29 takes out the first."""


def given_cmdline(options: KexecOptions, host: Host) -> Fact[str] | None:
    """Return the command line that the options give to the new kernel; ``None`` if they give none.

    kexec/kexec.c, get_command_line() and concat_cmdline().

    Args:
        options: of the command.
        host: that it is given on, with the running kernel's command line.
    """
    if not options.reuses_cmdline:
        if options.cmdline is None and not options.loses_cmdline:
            return None
        return Known(options.cmdline or "", "kexec_options")
    known = value_of(host.cmdline)
    if known is None:
        return Unknown(
            "--reuse-cmdline passes the running kernel's command line on, and that is not known"
        )
    version = stated_version(host.kexec_tools) or NEWEST_TOOLS
    every = version >= _REMOVES_EVERY
    base = _without(re.split(r"[\r\n]", known)[0], "BOOT_IMAGE", every=every)
    if options.mode is not None and options.mode.is_crash:
        base = _without(base, "crashkernel", every=every)
    text = base if options.cmdline is None else f"{base} {options.cmdline}"
    return Known(text, "kexec_options: --reuse-cmdline")


def _without(cmdline: str, name: str, *, every: bool) -> str:
    """Return the command line without the first parameter whose name begins so, or every one.

    remove_parameter() stops at one that stands in the middle of a word.
    """
    while (start := cmdline.find(name)) >= 0:
        if start and cmdline[start - 1] not in " \t\n\v\f\r":
            break
        end = cmdline.find(" ", start)
        cmdline = cmdline[:start] + (cmdline[end + 1 :] if end >= 0 else "")
        if not every:
            break
    return cmdline
