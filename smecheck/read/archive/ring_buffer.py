"""The ring buffer of the running kernel, as ``dmesg`` prints it.

Records are read from /dev/kmsg (Documentation/ABI/testing/dev-kmsg): ``6,339,5140900,-;text``, the
time in microseconds; lines of a record that begin with a blank are fields of it.
"""

from __future__ import annotations

import errno
import os

_RECORD = 16 << 10
_RECORDS_LIMIT = 200_000


def ring_buffer() -> bytes:
    """Return the log, from its oldest record on.

    Raises:
        PermissionError: dmesg_restrict is on, and this is not root.
        OSError: there is no /dev/kmsg.
    """
    descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    lines = []
    try:
        for _ in range(_RECORDS_LIMIT):
            try:
                record = os.read(descriptor, _RECORD)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno == errno.EPIPE:  # overwritten while it was read: go on after it
                    continue
                raise
            if not record:
                break
            lines.append(_line(record))
    finally:
        os.close(descriptor)
    return b"".join(lines)


def _line(record: bytes) -> bytes:
    head, _, text = record.partition(b";")
    fields = head.split(b",")
    stamp = int(fields[2]) if len(fields) > 2 and fields[2].isdigit() else 0
    message = text.split(b"\n", 1)[0]
    return b"[%5d.%06d] %s\n" % (stamp // 1_000_000, stamp % 1_000_000, message)
