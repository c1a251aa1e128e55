"""The lines of a kernel log about memory encryption: which features are active.

arch/x86/mm/mem_encrypt.c; print_mem_encrypt_feature_info() of 5.10 to 7.3 prints its line in
pieces: other messages may come between them.
"""

from __future__ import annotations

import re

from smecheck.machine.kernel_log import Encryption
from smecheck.read.lines.known_lines import ANNOTATED, About, KnownLine, Trait

_ONLY_WITH_PREFIX = Trait.OF_KERNEL | Trait.WITH_PREFIX

OLD_FEATURE = KnownLine(
    About.ENCRYPTION,
    ("AMD Secure",),
    r"AMD Secure\b",
    r"AMD Secure (?:Memory Encryption|Encrypted Virtualization) \((SME|SEV)\) active" + ANNOTATED,
    _ONLY_WITH_PREFIX,
)
FEATURES = KnownLine(
    About.ENCRYPTION,
    ("Encryption Features",),
    r"(?:AMD )?Memory Encryption\b",
    r"(?:AMD )?Memory Encryption Features active:((?: (?:Intel|[A-Z]{2,4}(?:-[A-Z]{2,4})?))*) *",
    _ONLY_WITH_PREFIX,
)
LINES = (OLD_FEATURE, FEATURES)

_CONTINUED = re.compile(r"((?:AMD|Intel|TDX|SME|SEV(?:-ES|-SNP)?)(?: [A-Z-]{2,8})*)")
_VENDORS = frozenset({"AMD", "Intel"})
_CONTINUATION_LINES = 3
_OTHERS_LIMIT = 64


class LoggedEncryption:
    """What the lines of one boot say of it so far."""

    def __init__(self) -> None:
        self.found: Encryption | None = None
        """The last such line."""
        self.others: list[Encryption] = []
        """Those before it that say something else."""
        self._open_lines = 0

    @property
    def wants_next(self) -> bool:
        """Whether the list of features may go on in the next line."""
        return self._open_lines > 0

    @property
    def sme(self) -> Encryption | None:
        """The line that says that SME is active."""
        lines = (*self.others, self.found)
        return next((line for line in lines if line is not None and "SME" in line.features), None)

    def pass_line(self) -> None:
        """Take note that one more line came."""
        if self._open_lines:
            self._open_lines -= 1

    def feed(self, kind: KnownLine, where: str, match: re.Match[str]) -> None:
        """Take in a line of one of the kinds of :data:`LINES`."""
        if kind is OLD_FEATURE:
            self._add(Encryption((match[1],), match[0], where))
            return
        words = _features(match[1])
        self._add(Encryption(words, match[0].strip(), where))
        self._open_lines = 0 if words else _CONTINUATION_LINES

    def doubt(self, text: str, where: str) -> None:
        """Take note of a line that is not whole."""
        self.found = self.found or Encryption((), text, where)

    def go_on(self, text: str) -> None:
        """Take in a line of no kind, which may be a piece of the list of features."""
        match = _CONTINUED.fullmatch(text.strip())
        before = self.found
        if match is None or before is None:
            return
        features = (*before.features, *_features(match[1]))
        self.found = Encryption(features, f"{before.text} {match[1]}", before.where)

    def _add(self, found: Encryption) -> None:
        before = self.found
        is_new = before is not None and before.features != found.features
        if before is not None and is_new and len(self.others) < _OTHERS_LIMIT:
            self.others.append(before)
        self.found = found


def _features(words: str) -> tuple[str, ...]:
    return tuple(word for word in words.split() if word not in _VENDORS)
