"""Where kexec-tools puts the segments of a kexec_load.

The rules were read from kexec-tools and held against runs of the real program on fabricated
machines and against loads in guests (tests/data/kexec-loads).
"""

from __future__ import annotations

from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.image import KernelKind
from smecheck.load.assumptions import Assumptions
from smecheck.load.bzimage_facts import NotPredictable, bzimage_facts
from smecheck.load.candidates import candidates_of, crash_window, reads_firmware_map
from smecheck.load.crash_map import UsableMap
from smecheck.load.elfcorehdr import refused_for_hotplug
from smecheck.load.kernel_limits import MORE_THAN_HALF, takes_too_much
from smecheck.load.kexec_buffers import KexecBuffers, LoadRefused
from smecheck.load.kexec_cmdline import given_cmdline
from smecheck.load.kexec_load_bzimage import place_bzimage32, place_bzimage64
from smecheck.load.kexec_load_elf import place_elf
from smecheck.load.kexec_option_table import BZIMAGE32_TYPE, BZIMAGE64_TYPE, ELF_TYPE
from smecheck.load.kexec_options import KexecOptions, options_of_host
from smecheck.load.load_state import LoadState
from smecheck.load.request import LoadRequest, Prediction, Refusal
from smecheck.load.reservation import NOT_RESERVED, known_iomem, reservations_of
from smecheck.load.runtime_map import runtime_entries
from smecheck.load.versions import NEWEST_TOOLS, Version, stated_version, version_text
from smecheck.machine.firmware import FirmwareMap
from smecheck.span import Span

_LOST_CMDLINE = (
    "kexec-tools loses the command line: an option after it makes it forget --append and "
    "--command-line"
)


def predict_kexec_load(request: LoadRequest, assumptions: Assumptions) -> Prediction:
    """Predict the segments that kexec-tools would load, or how it would refuse to.

    Raises:
        NotPredictable: a fact is missing.
    """
    options = options_of_host(request.host)
    if options.preserves_context:
        raise NotPredictable("--load-preserve-context places by rules of its own")
    if options.entry:
        raise NotPredictable("--entry starts the load elsewhere than at purgatory")
    load = _state(request, options, assumptions)
    if isinstance(load, Refusal):
        return assumptions.prediction((), load, request.cmdline)
    refusal: Refusal | None = None
    cmdline = cmdline_of(request, options, assumptions)
    try:
        cmdline = _place(load, cmdline)
        segments = load.buffers.in_order()
        if load.iomem is not None and takes_too_much(segments, load.iomem):
            assumptions.say(f"the running kernel lets kexec load this: {MORE_THAN_HALF}")
    except LoadRefused as error:
        refusal = error.refusal
        segments = tuple(sorted(load.buffers.segments, key=lambda segment: segment.span))
    return assumptions.prediction(segments, refusal, cmdline)


def _place(load: LoadState, cmdline: str) -> str:
    image = load.request.image
    asked = load.options.file_type
    if is_elf_request(load.request):
        _refuse_other_type(asked, (ELF_TYPE,))
        return place_elf(load, cmdline)
    kernel = bzimage_facts(image, load.assumptions)
    _refuse_other_type(
        asked, (BZIMAGE64_TYPE, BZIMAGE32_TYPE) if kernel.loads_64 else (BZIMAGE32_TYPE,)
    )
    is_bzimage64 = kernel.loads_64 and asked != BZIMAGE32_TYPE
    if load.options.device_tree is not None and not is_bzimage64:
        raise NotPredictable("the size of the device tree (--dtb) is not known")
    if is_bzimage64 and not load.options.enters_32bit:
        return place_bzimage64(load, kernel, cmdline)
    return place_bzimage32(load, kernel, cmdline)


def _refuse_other_type(asked: str | None, types: tuple[str, ...]) -> None:
    """Refuse a type of ``--type`` that the file is not of: ``types``, the first to be found first.

    Raises:
        LoadRefused: it is not one of them.
    """
    if asked is not None and asked not in types:
        raise LoadRefused(Refusal(f"Wrong file type {asked}, file matches type {types[0]}"))


def is_elf_request(request: LoadRequest) -> bool:
    """Return whether it is the vmlinux itself that is loaded, not a bzImage made of it.

    Only the options of ELF files say so: most people who give a vmlinux load the bzImage.
    """
    has_header = isinstance(request.image.header.init_size, Known)
    options = options_of_host(request.host)
    if options.file_type is not None:
        return options.file_type == ELF_TYPE and request.image.kind is not KernelKind.BZIMAGE
    given = options.elf_arguments is not None
    return given and (not has_header or request.image.kind is KernelKind.VMLINUX)


def cmdline_of(request: LoadRequest, options: KexecOptions, assumptions: Assumptions) -> str:
    """Return what kexec-tools takes for the command line."""
    if options.loses_cmdline:
        assumptions.say(_LOST_CMDLINE)
        kept = given_cmdline(options, request.host)
        return "" if kept is None else value_of(kept) or ""
    return request.cmdline


def _state(
    request: LoadRequest, options: KexecOptions, assumptions: Assumptions
) -> LoadState | Refusal:
    if request.firmware is None and request.memory is None:
        raise NotPredictable("neither /proc/iomem nor the firmware's memory map is given")
    tools = tools_of(request, assumptions)
    firmware = _firmware_that_is_read(request, assumptions)
    low = options.mem_min or 0
    end = request.window.end if options.mem_max is None else options.mem_max + 1
    window = request.window & Span(low, max(low, end))
    iomem = request.memory
    reserved: tuple[Span, ...] = ()
    if request.mode.is_crash:
        iomem = known_iomem(request, assumptions)
        reserved = reservations_of(request, iomem)
        if not reserved:
            return NOT_RESERVED
    if options.hotplug:
        refusal = refused_for_hotplug(request, assumptions)
        if refusal is not None:
            return refusal
    candidates = candidates_of(request.memory, firmware, tools)
    if not candidates.ranges:
        return Refusal("Could not get memory layout")
    if reserved and candidates.in_order:
        window = window & crash_window(reserved, tools)
    efi_entries = runtime_entries(request.host, assumptions)
    return LoadState(
        request=request,
        tools=tools,
        options=options,
        assumptions=assumptions,
        buffers=KexecBuffers(candidates, window, tools),
        iomem=iomem,
        reserved=reserved,
        efi_entries=efi_entries,
        usable=UsableMap(tools),
    )


def tools_of(request: LoadRequest, assumptions: Assumptions) -> Version:
    """Return the version of kexec-tools, the newest that is known where none is given."""
    version = stated_version(request.host.kexec_tools)
    known = Unknown("no version") if version is None else Known(version, "the host")
    text = f"kexec-tools is {version_text(NEWEST_TOOLS)}, the newest that is known"
    return assumptions.take("kexec_tools", known, NEWEST_TOOLS, text)


def _firmware_that_is_read(request: LoadRequest, assumptions: Assumptions) -> FirmwareMap | None:
    firmware = request.firmware
    cmdline = value_of(request.host.cmdline)
    if firmware is None:
        if cmdline is None or reads_firmware_map(cmdline):
            assumptions.say(
                "the firmware's memory map, which kexec-tools uses, has the same RAM as "
                "/proc/iomem (--memmap settles it)"
            )
        return None
    if cmdline is None:
        assumptions.take(
            "cmdline",
            request.host.cmdline,
            "",
            "the running kernel was not started with add_efi_memmap",
        )
        return firmware
    if reads_firmware_map(cmdline):
        return firmware
    if request.memory is None:
        assumptions.say(
            "/proc/iomem, which kexec-tools reads for add_efi_memmap, has the RAM of the "
            "firmware's memory map"
        )
        return firmware
    return None
