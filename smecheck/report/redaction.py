"""A triage that can be shown to strangers: addresses of memory stay, whose machine it was goes.

Host names are learned from the evidence (uname, /etc/hostname, the names of the sources); user
names, network addresses and serial numbers are known by their form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from smecheck.record import field_names
from smecheck.support_case.triage_report import FactName, TriageReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HOST, USER, IP, MAC, SERIAL = "HOST", "USER", "IP-ADDRESS", "MAC-ADDRESS", "SERIAL"
"""What stands for what was removed."""

_HEX = r"[0-9a-fA-F]"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_FORMS = (
    (re.compile(rf"(?<![\w:-])(?:{_HEX}{{2}}[:-]){{5}}{_HEX}{{2}}(?![\w:-])"), MAC),
    (re.compile(rf"(?<![\w.-])(?:{_OCTET}\.){{3}}{_OCTET}(?![\w.-])"), IP),
    (re.compile(rf"(?<![\w:.])(?:{_HEX}{{1,4}}:){{3,7}}{_HEX}{{1,4}}(?![\w:])"), IP),
    (
        re.compile(
            rf"(?<![\w:.])(?:{_HEX}{{1,4}}:){{1,6}}(?::{_HEX}{{1,4}}){{1,6}}(?![\w:])"
            rf"|(?<![\w:.])::{_HEX}{{1,4}}(?![\w:])"
        ),
        IP,
    ),
    (
        re.compile(rf"(?<![\w-]){_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}(?![\w-])"),
        SERIAL,
    ),
    (re.compile(r"\b(?:wwn-0x|scsi-3|nvme-eui\.|dm-uuid-)[\w.-]+", re.IGNORECASE), SERIAL),
    (re.compile(r"\b(?:ata|nvme|usb|scsi)-[\w.-]+_[\w.-]{4,}"), SERIAL),
    (re.compile(r"\biqn\.[0-9]{4}-[0-9]{2}\.[\w.:-]+"), SERIAL),
    (
        re.compile(
            r"(?<=[\s@=:/,(])(?:[A-Za-z0-9-]+\.)+"
            r"(?:com|net|org|edu|gov|mil|local|localdomain|lan|internal|intranet|corp|example|test)\b"
        ),
        HOST,
    ),
)
_AFTER_WORD = (
    (re.compile(r"(?i)(\bserial(?:[ _-]?(?:number|no))?\.? ?[:=] ?)[\w.-]{3,}"), SERIAL),
    (re.compile(r"(?i)(\bS/N ?[:=]? ?)[\w.-]{4,}"), SERIAL),
    (re.compile(r"((?:^|[\s\"'=(/,:]))[A-Za-z_][\w.-]*(?=@[\w.\[-])"), USER),
    (re.compile(r"(/home/)[^/\s\"']+"), USER),
    (re.compile(r"((?:\bfor |\bby )?\buser(?:name)?[ =:]+)(?!name\b)[A-Za-z_][\w.-]*"), USER),
    (re.compile(r"(\bsudo: +)[\w.-]+(?= :)"), USER),
    (re.compile(r"(\bnfs[ =:/]+)[\w.-]+(?=:)"), HOST),
)
"""What follows a word that is kept."""
_OF_SOURCE = re.compile(r"(?:sosreport|sos-collector)-([A-Za-z0-9.-]+?)-(?:[0-9]|[a-z]{7}\b)")
_OF_SUPPORTCONFIG = re.compile(r"(?:scc|nts)_([^_/]+)_[0-9]")
_ANYBODYS = frozenset(
    {"localhost", "linux", "kernel", "debian", "ubuntu", "suse", "sles", "rhel", "amd", "epyc"}
    | {"host", "none", "root", "boot", "proc", "crash", "kdump", "kexec", "sme", "x86_64"}
)
"""Names that say nothing of whose machine it is, and are words of the report besides."""


def redacted(triage: TriageReport) -> TriageReport:
    """Return the report without what says whose machine it is about."""
    replace = _replacer(_host_names(triage))
    result: TriageReport = _mapped(triage, replace)
    return result


def _host_names(triage: TriageReport) -> list[str]:
    names = {fact.value for fact in triage.facts if fact.name is FactName.HOST}
    for text in (*triage.sources, *(fact.member for fact in triage.facts)):
        for pattern in (_OF_SOURCE, _OF_SUPPORTCONFIG):
            names |= set(pattern.findall(text))
    names |= {name.partition(".")[0] for name in names}
    fitting = {name for name in names if len(name) > 1 and name.lower() not in _ANYBODYS}
    return sorted(fitting, key=len, reverse=True)


def _replacer(hosts: Iterable[str]) -> Callable[[str], str]:
    listed = "|".join(map(re.escape, hosts))
    names = re.compile(rf"(?i)(?<![A-Za-z0-9])(?:{listed})(?![A-Za-z0-9])") if listed else None

    def replace(text: str) -> str:
        if names is not None:
            text = names.sub(HOST, text)
        for pattern, word in _FORMS:
            text = pattern.sub(word, text)
        for pattern, word in _AFTER_WORD:
            text = pattern.sub(rf"\g<1>{word}", text)
        return text

    return replace


def _mapped(value: Any, replace: Callable[[str], str]) -> Any:
    """Return a record, or whatever is in one, with every text in it replaced."""
    if isinstance(value, str):
        return replace(value)
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(_mapped(one, replace) for one in value)
    if isinstance(value, Mapping):
        return {key: _mapped(one, replace) for key, one in value.items()}
    if hasattr(type(value), "_defaults"):
        fields = field_names(value)
        return type(value)(**{name: _mapped(getattr(value, name), replace) for name in fields})
    return value
