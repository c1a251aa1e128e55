"""Where kexec puts the segments of a load: the way in for everybody who asks."""

from __future__ import annotations

from typing import assert_never

from smecheck.evidence import Unknown
from smecheck.kernel.cmdline import changes_of_memory
from smecheck.load.assumptions import Assumptions
from smecheck.load.bzimage_facts import NotPredictable
from smecheck.load.kexec_file_load import predict_kexec_file_load
from smecheck.load.kexec_load import predict_kexec_load
from smecheck.load.kexec_options import options_of_host
from smecheck.load.request import ADDRESSES, LoadRequest, Prediction, Refusal
from smecheck.load.segments import Loader
from smecheck.load.versions import NEWEST_TOOLS, ToolsChange, stated_version
from smecheck.machine.host import Host
from smecheck.machine.memory import MapKind

_AS_BOOTED = (MapKind.IOMEM, MapKind.KERNEL_LOG)
"""Maps that show what the command line made of the firmware's."""


def predict(request: LoadRequest) -> Prediction:
    """Predict the segments of a load exactly, or how it would be refused.

    What the request leaves open is taken as is usual, and listed. The answer is a pure function of
    the request: to ask what a change would do, ask again with ``replace(request, …)``.
    """
    assumptions = Assumptions()
    try:
        _refuse_changed_memory(request)
        refused = _refused_by_options(request)
        if refused is not None:
            return assumptions.prediction((), refused, request.cmdline)
        match request.loader:
            case Loader.KEXEC_LOAD:
                return predict_kexec_load(request, assumptions)
            case Loader.KEXEC_FILE_LOAD:
                return predict_kexec_file_load(request, assumptions)
            case _:
                assert_never(request.loader)
    except NotPredictable as error:
        return assumptions.prediction(
            (), None, request.cmdline, unknown=error.reason, placing=error.placing
        )


def _refuse_changed_memory(request: LoadRequest) -> None:
    """Refuse a firmware's map where the running kernel is known to go by another one.

    Raises:
        NotPredictable: its command line changes the map, and nothing shows the result.
    """
    memory, cmdline = request.memory, request.host.cmdline
    if isinstance(cmdline, Unknown) or (memory is not None and memory.kind in _AS_BOOTED):
        return
    change = next(changes_of_memory(cmdline.value), None)
    if change is not None:
        raise NotPredictable(
            f"{'='.join(change)} on the running kernel's command line changes the memory map, and "
            "neither /proc/iomem nor a kernel log shows the result"
        )


def _refused_by_options(request: LoadRequest) -> Refusal | None:
    """Say how kexec refuses its options, whatever the machine.

    Raises:
        NotPredictable: they name an initrd, and nobody says how large it is.
    """
    options = options_of_host(request.host)
    if options.refusal is not None:
        return Refusal(options.refusal)
    if options.reuses_initrd:
        return Refusal("--reuseinitrd not implemented on this architecture")
    has_end = options.mem_max is not None or request.window.end != ADDRESSES.end
    if options.preserves_context and not has_end:
        return Refusal(
            "Please specify memory range used by kexeced kernel to preserve the context of "
            'original kernel with "--mem-max" parameter'
        )
    if options.preserves_context and not request.loader.rules.preserves_context:
        return Refusal(f"--load-preserve-context not supported with {request.loader.value}")
    if options.initrd is not None and request.initrd_size is None:
        raise NotPredictable(
            f"kexec is given the initrd {options.initrd}, but its size is not known (--initrd)"
        )
    return None


def default_loader(host: Host) -> Loader:
    """Return the system call that kexec uses where no option says which.

    Since 2.0.27 it is kexec_file_load, and kexec_load only where the kernel cannot do that; before,
    that is what ``-a`` asks for.
    """
    if options_of_host(host).tries_file_load:
        return Loader.KEXEC_FILE_LOAD
    version = stated_version(host.kexec_tools)
    file_first = (version or NEWEST_TOOLS) >= ToolsChange.FILE_LOAD_FIRST.since
    return Loader.KEXEC_FILE_LOAD if file_first else Loader.KEXEC_LOAD
