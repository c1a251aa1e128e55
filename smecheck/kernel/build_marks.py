"""What distinguishes builds of a kernel, beside the facts that placement depends on.

Images and configurations state these in the same words, so that two that cannot be of one build are
known by what they differ in. None of them bears on where a workarea lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Marks = Mapping[str, str]

NO_MARKS: Marks = MappingProxyType({})

COMPRESSION = "how the payload is compressed"
COMPILER = "the compiler"
PREEMPT_RT = "whether it is PREEMPT_RT"
SMP = "whether it is SMP"
UTS_VERSION = "the build's number and date"
BUILD_SALT = "CONFIG_BUILD_SALT"
LOCALVERSION = "CONFIG_LOCALVERSION"
WHOLE_CONFIG = "the complete configuration"
NAMED_AFTER = "the release that the file is named after"
