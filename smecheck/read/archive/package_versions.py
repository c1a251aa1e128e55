"""The version of kexec-tools in a list of packages, whichever program printed it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from smecheck.support_case.triage_report import FactName, TriageFact

# rpm -qa: kexec-tools-2.0.25-5.el9.x86_64; dpkg -l: "ii  kexec-tools  1:2.0.25-3+b1  amd64";
# supportconfig's rpm.txt has the vendor between the two.
_KEXEC_TOOLS = re.compile(
    r"^(?:ii\s+)?kexec-tools(?::\w+)?(?:-|\s+(?:\S.{0,60}?\s)??(?:[0-9]+:)?)"
    r"(?P<version>[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})(?:[-+.~\s]|$)",
    re.MULTILINE,
)


_STATUS = re.compile(
    r"^Package: kexec-tools\n(?:(?!\n\n)[\s\S]){0,2000}?^Version: (?:[0-9]+:)?"
    r"(?P<version>[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})",
    re.MULTILINE,
)
"""The same in /var/lib/dpkg/status."""


def package_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read the version of kexec-tools."""
    found = _KEXEC_TOOLS.search(text) or _STATUS.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        yield TriageFact(FactName.KEXEC_TOOLS, found["version"], member, line)
