"""Kernels whose early code a test writes, function by function, in bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

from elfwriter import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    STB_LOCAL,
    STT_FUNC,
    TEXT,
    Elf,
    Load,
    Section,
    Symbol,
    vmlinux,
)
from kallsyms_writer import FORMS, Entry, with_kallsyms

RET = "c3"
DATA = TEXT + 0x8A8F05
"""The address in OF_LINK_ADDRESS; one of data."""
OF_LINK_ADDRESS = "f60425058f8a8108"
"""testb $0x8,0xffffffff818a8f05"""
OF_LINK_ADDRESS_RELATIVE = "f605000000f008"
"""testb $0x8, by a distance"""


@dataclass
class EarlyKernel:
    """Functions of code by name, each at a place of its own, and calls between them."""

    functions: dict[str, str] = field(default_factory=dict)
    """By name their code in hex; ``call NAME;``, ``jmp NAME;`` and ``jz NAME;`` for what goes
    elsewhere."""
    places: dict[str, int] = field(default_factory=dict)

    def address(self, name: str) -> int:
        """Return where a function begins: each has 256 bytes, on another page than the last."""
        if name not in self.places:
            self.places[name] = TEXT + 0x1000 + len(self.places) * 0x1100
        return self.places[name]

    def build(self, *, stripped: bool) -> Elf:
        """Return a vmlinux, its symbols in a table for linkers or in the kernel's own."""
        names = {name: self.address(name) for name in (*self.functions, *self._called())}
        names |= {"boot_cpu_data": DATA - 0x4D}
        end = max(self.places.values()) + 0x1000 - TEXT
        code = bytearray(b"\xcc" * end)
        for name, text in self.functions.items():
            at = self.address(name)
            made = self._assembled(text, at)
            code[at - TEXT : at - TEXT + len(made)] = made
        elf = vmlinux(stripped=stripped, sme=False)
        elf.sections[0] = Section(
            ".text", address=TEXT, data=bytes(code), flags=SHF_ALLOC | SHF_EXECINSTR
        )
        elf.loads[0] = Load(TEXT, 0x1000000, end, end, "RE", 0)
        if elf.symbols is not None:
            elf.symbols += [Symbol(name, at, STB_LOCAL, STT_FUNC) for name, at in names.items()]
        else:
            known = {"_text": TEXT, "_end": TEXT + 0xA16000, "__bss_stop": TEXT + 0xA00000, **names}
            entries = [Entry(at, "T", name) for name, at in known.items()]
            entries.append(Entry(TEXT + 0x10, "t", "all_digits_0123456789"))
            with_kallsyms(elf, entries, FORMS[6])
        # .text is the first in the file, behind the headers of which there may be one more now.
        elf.loads[0].offset = 64 + 56 * len(elf.loads)
        return elf

    def _called(self) -> list[str]:
        words = [part.split() for text in self.functions.values() for part in text.split(";")]
        return [word[-1] for word in words if len(word) > 1 and word[-2] in _FORMS]

    def _assembled(self, text: str, at: int) -> bytes:
        made = b""
        for part in text.split(";"):
            *plain, last = part.split() or [""]
            if plain and plain[-1] in _FORMS:
                opcode = _FORMS[plain.pop()]
                made += bytes.fromhex("".join(plain)) + opcode
                distance = self.address(last) - (at + len(made) + 4)
                made += distance.to_bytes(4, "little", signed=True)
            else:
                made += bytes.fromhex("".join((*plain, last)))
        return made


_FORMS = {"call": b"\xe8", "jmp": b"\xe9", "jz": b"\x0f\x84"}
