"""Where kexec puts the segments of a load: the way in for everybody who asks."""

from __future__ import annotations

from typing import assert_never

from smecheck.evidence import Known
from smecheck.model.host import Host
from smecheck.model.load import LoadRequest, Prediction
from smecheck.model.segments import Loader
from smecheck.placement.assumptions import Assumptions
from smecheck.placement.bzimage_facts import NotPredictable
from smecheck.placement.kexec_file_load import predict_kexec_file_load
from smecheck.placement.kexec_load import predict_kexec_load
from smecheck.placement.kexec_tools import NEWEST, ToolsChange
from smecheck.placement.versions import parse_version


def predict(request: LoadRequest) -> Prediction:
    """Predict the segments of a load exactly, or how it would be refused.

    What the request leaves open is taken as is usual, and listed. The answer is a pure function of
    the request: to ask what a change would do, ask again with ``replace(request, …)``.
    """
    assumptions = Assumptions()
    try:
        match request.loader:
            case Loader.KEXEC_LOAD:
                return predict_kexec_load(request, assumptions)
            case Loader.KEXEC_FILE_LOAD:
                return predict_kexec_file_load(request, assumptions)
            case _:
                assert_never(request.loader)
    except NotPredictable as error:
        return assumptions.prediction((), None, request.cmdline, unknown=error.reason)


def default_loader(host: Host) -> Loader:
    """Return the system call that kexec uses where no option says which.

    Since 2.0.27 it is kexec_file_load, and kexec_load only where the kernel cannot do that.
    """
    given = host.kexec_tools
    version = parse_version(given.value) if isinstance(given, Known) else None
    file_first = (version or NEWEST) >= ToolsChange.FILE_LOAD_FIRST.since
    return Loader.KEXEC_FILE_LOAD if file_first else Loader.KEXEC_LOAD
