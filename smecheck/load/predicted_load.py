"""The load that is asked about where nobody recorded one: predicted, if enough is said of it."""

from __future__ import annotations

from smecheck.asked import BootRequest
from smecheck.evidence import Fact, Known, Unknown, first_known, value_of
from smecheck.kernel.image import KernelImage
from smecheck.load.crash_areas import logged_crash_areas
from smecheck.load.hidden_places import logged_cma, logged_handover
from smecheck.load.kexec_buffers import PREDICTED_FROM
from smecheck.load.kexec_cmdline import given_cmdline
from smecheck.load.kexec_options import KexecOptions, options_of_host
from smecheck.load.predict import default_loader, predict
from smecheck.load.request import (
    DEFAULT_LOADER,
    AskedLoad,
    LoadRequest,
    PredictedLoad,
    Refusal,
    WholeMachine,
)
from smecheck.load.segments import Loader, Mode, SegmentList
from smecheck.load.versions import stated_version
from smecheck.machine.host import Host
from smecheck.machine.kernel_log import KernelLog
from smecheck.machine.memory import MapKind, MemoryMap
from smecheck.quantity import size_text
from smecheck.record import replace
from smecheck.span import Span


def asked_load(image: KernelImage, boot: BootRequest, machine: WholeMachine) -> AskedLoad | None:
    """Return the load that is asked about; ``None`` where no load is, or no memory is known."""
    host = machine.host
    firmware = machine.firmware if machine.firmware is not None else host.firmware_map
    if boot.is_first_boot or (machine.memory is None and firmware is None):
        return None
    said = (boot.loader, boot.mode, boot.path, host.source)
    if all(word is None for word in said) and host == Host():
        return None
    mode, assumed_of_mode = _mode(boot)
    loader, assumed_of_loader = _loader(boot, host)
    if machine.memory is not None and not _is_enough(machine.memory, mode.value, loader.value):
        return None
    options = options_of_host(host)
    cmdline, assumed_of_cmdline = _cmdline(boot, host, options)
    assumptions = [*assumed_of_mode, *assumed_of_loader, *assumed_of_cmdline]
    if boot.initrd is None and options.initrd is None:
        assumptions.append("assumed: no initrd is loaded (--initrd to say otherwise)")
    if machine.memory is not None and not machine.memory.complete:
        assumptions.append(
            f"{machine.memory.source}, a fragment of a map, contains all memory that kexec uses"
        )
    request = LoadRequest(
        image=image,
        loader=loader.value,
        mode=mode.value,
        memory=machine.memory,
        firmware=firmware,
        host=host,
        initrd_size=None if boot.initrd is None else boot.initrd.value.loaded_size,
        cmdline=value_of(cmdline) or "",
        window=machine.window,
    )
    return AskedLoad(
        request=request,
        loader=loader,
        mode=mode,
        cmdline=cmdline,
        assumptions=tuple(assumptions),
        initrd_assumed=boot.initrd is None,
    )


def _cmdline(
    boot: BootRequest, host: Host, options: KexecOptions
) -> tuple[Fact[str], tuple[str, ...]]:
    """Return the command line that kexec is given, and what had to be assumed of it."""
    given = given_cmdline(options, host)
    if boot.cmdline is not None:
        if given is None or value_of(given) == boot.cmdline.value:
            return boot.cmdline, ()
        return boot.cmdline, ("--cmdline counts, not the command line among the kexec_options",)
    if isinstance(given, Known):
        return Known(given.value, f"{host.source}: {given.origin}"), ()
    return given or Unknown("no --cmdline was given"), (
        "assumed: the command line is too short to change any segment's size (--cmdline)",
    )


def _is_enough(memory: MemoryMap, mode: Mode, loader: Loader) -> bool:
    """Return whether the load depends on no more memory than is shown.

    A reservation alone is enough for kexec_file_load of a crash kernel only: kexec-tools sizes its
    backup by the low memory, and everything else is loaded into the rest of the machine. What a
    load hands over is the memory of the kernel that is loaded, not of the one that loads.
    """
    if memory.kind is MapKind.LOAD:
        return False
    if memory.kind is not MapKind.RESERVATION:
        return True
    return mode.is_crash and loader.rules.needs_reservation_only


def predict_load(asked: AskedLoad) -> PredictedLoad:
    """Predict the load, and put it as the segment list of one that was recorded."""
    prediction = predict(asked.request)
    refused = prediction.refusal
    if refused is not None and refused.falls_back and asked.loader_assumed:
        return predict_load(_by_the_other_call(asked, refused))
    if prediction.unknown is not None:
        return PredictedLoad(asked, prediction, None)
    refusal = prediction.refusal
    cmdline = asked.cmdline
    if isinstance(cmdline, Known) and cmdline.value != prediction.cmdline:
        cmdline = Known(prediction.cmdline, f"{cmdline.origin}, as it is passed on")
    segments = SegmentList(
        source=PREDICTED_FROM,
        segments=() if refusal is not None else prediction.segments,
        loader=asked.loader,
        mode=asked.mode,
        cmdline=cmdline,
        init_size=asked.request.image.header.init_size,
        refusal=None if refusal is None else refusal_text(refusal),
        remarks=(
            f"the load is predicted for {asked.loader.value.value}: none was recorded",
            *asked.assumptions,
            *prediction.assumptions,
        ),
        predicted=True,
    )
    return PredictedLoad(asked, prediction, segments)


def _by_the_other_call(asked: AskedLoad, refused: Refusal) -> AskedLoad:
    """Return the load as kexec-tools tries it again, where the kernel does not take it."""
    loader = Loader.KEXEC_LOAD
    return replace(
        asked,
        request=replace(asked.request, loader=loader),
        loader=Known(loader, "kexec-tools falls back to it"),
        assumptions=(
            *asked.assumptions,
            f"kexec-tools falls back to {loader.value}: {refused.text}",
        ),
    )


def refusal_text(refusal: Refusal) -> str:
    """Word a refusal: in the words of the program, then what did not fit and what there was."""
    if refusal.size is None or not refusal.text.startswith(_NO_ROOM):
        return refusal.text
    largest = refusal.largest
    room = "there was no hole" if largest is None else _room(largest)
    return f"{refusal.text} ({size_text(refusal.size)} for {refusal.role}; {room})"


_NO_ROOM = ("Could not find a free area", "kexec_file_load failed: Cannot assign")


def _room(largest: Span) -> str:
    return f"the largest hole was {size_text(largest.size)}, {largest}"


def _mode(boot: BootRequest) -> tuple[Known[Mode], tuple[str, ...]]:
    """Return what is loaded, and what had to be assumed for that."""
    if boot.mode is not None:
        return boot.mode, ()
    if boot.path is not None:
        mode = boot.path.mode or Mode.LOAD
        said = boot.path_premise is None
        origin = f"--path {boot.path.value}" if said else "a crash reservation is there"
        return Known(mode, origin), ()
    assumed = "the next kernel is loaded, with kexec -l (--mode crash for a crash kernel)"
    return Known(Mode.LOAD, "assumed"), (assumed,)


def _loader(boot: BootRequest, host: Host) -> tuple[Known[Loader], tuple[str, ...]]:
    """Return the system call, and what had to be assumed for that."""
    if boot.loader is not None:
        return boot.loader, ()
    loader = default_loader(host)
    why = "the default of this version of kexec-tools"
    if options_of_host(host).tries_file_load:
        why = "which -a tries first; the running kernel can do it"
    return Known(loader, DEFAULT_LOADER), (f"kexec uses {loader.value}, {why} (--loader)",)


_RSDP_IN_BOOT_PARAMS = (5, 1, 0)
"""arch/x86/boot/compressed/acpi.c: the decompressor looks for it since v5.1."""


def machine_with_log(machine: WholeMachine, log: KernelLog) -> WholeMachine:
    """Return the machine with what its log says besides; a description comes first."""
    host, boot = machine.host, log.boot
    efi: Fact[int] = Unknown("the log does not show the entries of the EFI runtime map")
    if boot.begins and boot.is_up and boot.efi_map is None and not boot.efi_tables:
        efi = Known(0, f"{log.source}: a boot without EFI")
    cmdline = first_known(host.cmdline, boot.cmdline)
    completed = replace(
        host,
        kernel_release=first_known(host.kernel_release, boot.release),
        cmdline=cmdline,
        cma=first_known(host.cma, logged_cma(log, cmdline)),
        kho=first_known(host.kho, logged_handover(log, cmdline)),
        dm_crypt_keys=first_known(host.dm_crypt_keys, boot.dm_crypt_keys),
        crash_cma_ranges=first_known(host.crash_cma_ranges, logged_crash_areas(log)),
        cpus=first_known(host.cpus, boot.cpus),
        acpi_rsdp=first_known(host.acpi_rsdp, _passed_on_rsdp(log)),
        efi=first_known(host.efi, _is_efi(log)),
        efi_runtime_entries=first_known(host.efi_runtime_entries, efi),
    )
    firmware = machine.firmware if machine.firmware is not None else host.firmware_map
    return replace(
        machine, host=completed, firmware=firmware if firmware is not None else boot.firmware_map
    )


def _passed_on_rsdp(log: KernelLog) -> Fact[int]:
    """Return the RSDP as kexec-tools finds it: in boot_params, or in /sys/firmware/efi/systab."""
    boot = log.boot
    release = stated_version(boot.release)
    in_boot_params = release is not None and release >= _RSDP_IN_BOOT_PARAMS
    is_efi = isinstance(_is_efi(log), Known)
    if is_efi or in_boot_params:
        return boot.acpi_rsdp
    return Unknown(f"{log.source} does not say whether boot_params carry it")


def _is_efi(log: KernelLog) -> Fact[bool]:
    boot = log.boot
    if boot.efi_map is None and not boot.efi_tables:
        return Unknown(f"{log.source} does not say of EFI")
    place = boot.efi_tables[0].where if boot.efi_tables else log.source
    return Known(True, f"{place} mentions EFI")
