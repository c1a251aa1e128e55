"""Changes to the command line of the kernel that is loaded: the cheapest there are."""

from __future__ import annotations

from collections.abc import Iterator

from smecheck.advice.present import Present, WhatIf
from smecheck.evidence import Known
from smecheck.model.advice import Cost
from smecheck.model.boot import Switch
from smecheck.placement.cmdline import has_word, without_option, without_word
from smecheck.record import replace

_PLAIN_MEMORY = "its memory is not encrypted then"


def boot_options(present: Present) -> Iterator[WhatIf]:
    """Yield SME off, and KASLR the other way."""
    yield _without_sme(present)
    kaslr, cmdline = present.report.boot.kaslr, present.cmdline
    if not isinstance(kaslr, Known):
        return
    words = cmdline.value if isinstance(cmdline, Known) else None
    if kaslr.value:
        with_word = None if words is None else f"{words} nokaslr".lstrip()
        yield _kaslr(
            present,
            with_word,
            "add nokaslr to the command line of the loaded kernel",
            "the kernel then runs where it is loaded, every time",
        )
    elif words is not None and has_word(words, "nokaslr"):
        yield _kaslr(
            present,
            without_word(words, "nokaslr"),
            "remove nokaslr from the command line of the loaded kernel",
            "the kernel then runs elsewhere at every boot",
        )


def _kaslr(present: Present, words: str | None, change: str, note: str) -> WhatIf:
    stated = Switch.OFF if words is None else Switch.AUTO
    boot = replace(present.question.boot, cmdline=words, load_address=None, kaslr=stated)
    return WhatIf(change, Cost.BOOT_OPTION, replace(present.question, boot=boot), note)


def _without_sme(present: Present) -> WhatIf:
    boot, cmdline = present.question.boot, present.cmdline
    if isinstance(cmdline, Known):
        # The last one counts, for some kernels the first: only one is left.
        words = f"{without_option(cmdline.value, 'mem_encrypt')} mem_encrypt=off".lstrip()
        boot = replace(boot, cmdline=words, sme=Switch.AUTO)
    else:
        boot = replace(boot, sme=Switch.OFF)
    return WhatIf(
        "boot the loaded kernel with mem_encrypt=off, and no other mem_encrypt=",
        Cost.BOOT_OPTION,
        replace(present.question, boot=boot),
        _PLAIN_MEMORY,
    )
