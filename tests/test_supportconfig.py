"""The sections of a supportconfig's flat files."""

from __future__ import annotations

from smecheck.read.archive.supportconfig import Section, is_supportconfig, sections

TEXT = b"""\
=============================================================================
                    Support Utilities - Supportconfig
#==[ Command ]======================================#
# /bin/uname -a
Linux host 6.4.0

#==[ Configuration File ]===========================#
# /etc/sysconfig/nothing - File not found

#==[ Configuration File ]===========================#
# /proc/cmdline
quiet mem_encrypt=on

#==[ Log File ]=====================================#
# /var/log/messages - Last 500 Lines
a #==[ Command ]====# that is text
b
#==[ Note ]=========================================#
no title
#==[ Command ]======================================#
#==[ Command ]======================================#

# /bin/dmesg -T
x"""
ROWS = list(enumerate(TEXT.split(b"\n"), 1))


def test_sections_with_their_lines() -> None:
    found = [(section, list(rows)) for section, rows in sections(ROWS)]
    assert [section for section, _ in found] == [
        Section("/bin/uname -a", 4),
        Section("/proc/cmdline", 11),
        Section("/var/log/messages", 15),
        Section("/bin/dmesg -T", 23),
    ]
    assert found[0][1] == [(5, b"Linux host 6.4.0"), (6, b"")]
    assert found[2][1] == [(16, b"a #==[ Command ]====# that is text"), (17, b"b")]
    assert found[3][1] == [(24, b"x")]


def test_lines_that_nobody_takes_go_by() -> None:
    assert [section.line for section, _ in sections(ROWS)] == [4, 11, 15, 23]


def test_what_is_one() -> None:
    assert is_supportconfig(TEXT)
    assert not is_supportconfig(b"[    0.000000] Linux version #==[ Command ]==#\n")
    assert list(sections([(1, b"no section")])) == []
