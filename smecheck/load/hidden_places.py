"""What decides where kexec_file_load places and shows in no memory map of the running kernel.

Each of these is a premise where nothing says so, and makes a load unpredictable where something
does: a description of the host, the running kernel's command line or log, or its configuration.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from smecheck.evidence import Fact, Known, Unknown, first_known, value_of
from smecheck.kernel.cmdline import parameters
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.bzimage_facts import NotPredictable
from smecheck.load.kexec_options import options_of_host
from smecheck.load.segments import Mode, Placing
from smecheck.load.versions import KernelChange, stated_version
from smecheck.record import record
from smecheck.span import align_up

if TYPE_CHECKING:
    from smecheck.load.assumptions import Assumptions
    from smecheck.load.request import LoadRequest
    from smecheck.load.versions import Version
    from smecheck.machine.host import Host
    from smecheck.machine.kernel_log import KernelLog


@record
class _Hidden:
    fact: str
    """Of the host, by its name in a description."""
    change: KernelChange
    """Which kernels may have it."""
    modes: tuple[Mode, ...]
    found: str
    """Why nothing can be predicted where the kernel has it."""
    premise: str
    """What is said where nothing shows it."""
    placing: Placing = Placing.BY_THE_RULES


_LOAD, _CRASH = Mode.LOAD, Mode.CRASH

_HIDDEN = (
    _Hidden(
        "ima_kexec",
        KernelChange.IMA,
        tuple(Mode),
        "the running kernel hands over its IMA measurements first, and their size is known to it "
        "alone",
        "the running kernel hands over no IMA measurements (CONFIG_IMA_KEXEC; ima_kexec of --host)",
    ),
    _Hidden(
        "kho",
        KernelChange.HANDOVER,
        (_LOAD,),
        "kexec handover is active in the running kernel, which then loads into its scratch areas, "
        "and where these are is known to it alone",
        "kexec handover is not active in the running kernel (kho=on; kho of --host)",
        placing=Placing.IN_OWN_AREAS,
    ),
    _Hidden(
        "cma",
        KernelChange.CONTIGUOUS,
        (_LOAD,),
        "the running kernel has an area for contiguous memory (CMA), into which kexec_file_load "
        "loads first, wherever there is room, and aligned to less than kernel_alignment",
        "the running kernel has no area for contiguous memory (cma=; a complete log with --dmesg, "
        "or cma of --host)",
        placing=Placing.UNALIGNED,
    ),
    _Hidden(
        "keep_memblock",
        KernelChange.KEEPS_MEMBLOCK,
        (_LOAD,),
        "the running kernel was built with CONFIG_ARCH_KEEP_MEMBLOCK: it loads into what memblock "
        "left free, not into what /proc/iomem shows",
        "the running kernel was built without CONFIG_ARCH_KEEP_MEMBLOCK, which INTEL_TDX_HOST "
        "selects (keep_memblock of --host)",
    ),
    _Hidden(
        "dm_crypt_keys",
        KernelChange.DM_CRYPT_KEYS,
        (_CRASH,),
        "the running kernel hands over keys of dm-crypt, in a segment at a random place",
        "the crash kernel is given no keys of dm-crypt (/sys/kernel/config/crash_dm_crypt_keys; "
        "dm_crypt_keys of --host)",
    ),
)
"""kernel/kexec_file.c, kexec_locate_mem_hole(), kexec_alloc_contig() and kexec_walk_memblock();
security/integrity/ima/ima_kexec.c; kernel/crash_dump_dm_crypt.c, crash_load_dm_crypt_keys()."""

_OPTIONS = {
    "ima_kexec": ("CONFIG_IMA_KEXEC",),
    "kho": ("CONFIG_KEXEC_HANDOVER",),
    "kexec_handover": ("CONFIG_KEXEC_HANDOVER",),
    "cma": ("CONFIG_CMA", "CONFIG_DMA_CMA"),
    "keep_memblock": ("CONFIG_ARCH_KEEP_MEMBLOCK", "CONFIG_INTEL_TDX_HOST"),
    "dm_crypt_keys": ("CONFIG_CRASH_DM_CRYPT",),
}
"""Options of the running kernel; without one of them it has none of it."""

_SURE_BY_OPTION = ("kexec_handover", "keep_memblock")
"""What the option alone is enough for."""

_CMA_SIZE = "CONFIG_CMA_SIZE_MBYTES"

_NOT_ZERO = re.compile(r"0[xX]0*[1-9a-fA-F]|0*[1-9]")
"""How a size begins that memparse() takes for more than 0."""

_HANDED_OVER = 16 + 32
"""arch/x86/kernel/kexec-bzimage64.c, bzImage64_load(): a setup_data header and struct kho_data."""


def say_what_is_hidden(request: LoadRequest, kernel: Version, assumptions: Assumptions) -> None:
    """List what would move segments, and cannot be seen.

    Args:
        request: the load.
        kernel: the running one; what is assumed where its release is not known.
        assumptions: filled.

    Raises:
        NotPredictable: one of these is known to be in use.
    """
    is_assumed = isinstance(request.host.kernel_release, Unknown)
    for hidden in _HIDDEN:
        if request.mode not in hidden.modes:
            continue
        may_be_there = hidden.change.is_in(kernel)
        fact = _fact(request, hidden.fact)
        if isinstance(fact, Known) and fact.value and (may_be_there or is_assumed):
            raise NotPredictable(f"{hidden.found} ({fact.origin})", hidden.placing)
        if may_be_there:
            assumptions.take(hidden.fact, fact, False, hidden.premise)


def handed_over_size(request: LoadRequest, size: int, assumptions: Assumptions) -> int:
    """Return by how many bytes CONFIG_KEXEC_HANDOVER makes boot_params longer, active or not.

    Args:
        request: the load.
        size: bytes without them.
        assumptions: filled where nothing shows it, and these bytes take another page.
    """
    fact = _fact(request, "kexec_handover")
    if isinstance(fact, Unknown) and value_of(_fact(request, "kho")):
        fact = _fact(request, "kho")
    grows = align_up(size + _HANDED_OVER, PAGE_SIZE) > align_up(size, PAGE_SIZE)
    if isinstance(fact, Unknown) and not grows:
        return 0
    text = (
        "the running kernel was built without CONFIG_KEXEC_HANDOVER, which would take another page "
        "for boot_params (kexec_handover of --host)"
    )
    return _HANDED_OVER if assumptions.take("kexec_handover", fact, False, text) else 0


def _fact(request: LoadRequest, name: str) -> Fact[bool]:
    """Return whether the running kernel has that, by its description, or what else shows it."""
    host = request.host
    described: Fact[bool] = getattr(host, name)
    said: Fact[bool] = Unknown("the command line does not say")
    if name == "cma":
        described = area_is_used(host)
    elif name == "kho":
        said = _kho_word(host.cmdline)
    return first_known(described, said, _by_configuration(request, name))


def area_is_used(host: Host) -> Fact[bool]:
    """Return whether the running kernel has an area for contiguous memory, and may load into it."""
    if options_of_host(host).no_cma:
        return Known(False, f"{host.source}: --no-cma among the kexec_options")
    return first_known(host.cma, _cma_word(host.cmdline))


def handover_is_active(host: Host) -> Fact[bool]:
    """Return whether the running kernel hands itself over, where its release may have that."""
    release = value_of(host.kernel_release)
    version = stated_version(host.kernel_release)
    if version is not None and not KernelChange.HANDOVER.is_in(version):
        return Known(False, f"{release} knows no kexec handover")
    return first_known(host.kho, _kho_word(host.cmdline))


def logged_cma(log: KernelLog, cmdline: Fact[str]) -> Fact[bool]:
    """Return whether a kernel log shows an area for contiguous memory, or that there is none."""
    boot = log.boot
    if boot.cma_areas:
        return Known(True, f"{boot.cma_areas[0].where}: cma: Reserved")
    asked = _cma_word(cmdline)
    ignored = _ignored(log, "cma")
    if ignored is not None or isinstance(asked, Known):
        return ignored or asked
    if boot.begins and boot.is_up:
        return Known(False, f"{log.source}: the kernel reserves none")
    return Unknown(f"{log.source} does not say")


def logged_handover(log: KernelLog, cmdline: Fact[str]) -> Fact[bool]:
    """Return whether a kernel log shows kexec handover, or that the kernel does not know it."""
    return _ignored(log, "kho") or _kho_word(cmdline)


def _ignored(log: KernelLog, option: str) -> Known[bool] | None:
    """Return that an option means nothing to the kernel, if its log says so.

    init/main.c, print_unknown_bootoptions(): what no part of the kernel has taken.
    """
    ignored = log.boot.ignored_words
    if ignored is None or all(name != option for name, _ in parameters(ignored.text)):
        return None
    return Known(False, f"{ignored.where}: {option}= means nothing to the kernel")


def _cma_word(cmdline: Fact[str]) -> Fact[bool]:
    """kernel/dma/contiguous.c, early_cma(): a size, of which 0 means no area."""
    word = _word(cmdline, "cma")
    if isinstance(word, Unknown):
        return word
    is_area = _NOT_ZERO.match(word.value) is not None
    return Known(is_area, f"{word.origin}: cma={word.value}")


def _kho_word(cmdline: Fact[str]) -> Fact[bool]:
    """kernel/liveupdate/kexec_handover.c, kho_parse_enable(): as kstrtobool() takes it."""
    word = _word(cmdline, "kho")
    if isinstance(word, Unknown):
        return word
    is_on = word.value[:1] in ("y", "Y", "t", "T", "1") or word.value[:2].lower() == "on"
    return Known(is_on, f"{word.origin}: kho={word.value}")


def _word(cmdline: Fact[str], option: str) -> Fact[str]:
    if isinstance(cmdline, Unknown):
        return cmdline
    given = [value for name, value in parameters(cmdline.value) if name == option]
    if not given or given[-1] is None:
        return Unknown(f"{cmdline.origin} has no {option}=")
    return Known(given[-1], cmdline.origin)


def _by_configuration(request: LoadRequest, name: str) -> Fact[bool]:
    """Return what the configuration of the running kernel shows, where KERNEL is that one."""
    image, host = request.image, request.host
    unknown = Unknown("the configuration of the running kernel is not known")
    running, own = host.kernel_release, image.release
    if isinstance(running, Unknown) or isinstance(own, Unknown) or running.value != own.value:
        return unknown
    for option in _OPTIONS[name]:
        value = image.config.get(option)
        origin = f"{option}={value}, and {own.value} runs"
        if value is not None and (value != "y" or name in _SURE_BY_OPTION):
            return Known(value == "y", origin)
    size = image.config.get(_CMA_SIZE)
    if name == "cma" and size is not None and isinstance(host.cmdline, Known):
        # No word of the command line says otherwise.
        return Known(size != "0", f"{_CMA_SIZE}={size}, and {own.value} runs")
    return unknown
