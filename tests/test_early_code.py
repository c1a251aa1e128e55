"""The early code is followed, and what it accesses by a link address is found; nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bzimage_writer import bzimage
from commandline import run
from early_code_writer import (
    DATA,
    OF_LINK_ADDRESS,
    OF_LINK_ADDRESS_RELATIVE,
    RET,
    EarlyKernel,
)
from elfwriter import TEXT, vmlinux

from smecheck.evidence import Known, Unknown
from smecheck.kernel.early_code import Addressing, EarlyCode
from smecheck.kernel.image import KernelImage
from smecheck.read.kernel.kernel import read_kernel

KINDS = pytest.mark.parametrize("kind", ["vmlinux", "stripped", "gzip", "zstd", "lz4"])
ENABLE = {"sme_enable": RET}
HARM = f"90;{OF_LINK_ADDRESS};{RET}"


def written(folder: Path, kernel: EarlyKernel, kind: str) -> Path:
    path = folder / kind
    content = kernel.build(stripped=kind != "vmlinux").build()
    in_file = kind in ("vmlinux", "stripped")
    path.write_bytes(content if in_file else bzimage(content, kind).build())
    return path


def code_of(folder: Path, functions: dict[str, str], kind: str = "vmlinux") -> EarlyCode:
    image = read_kernel(str(written(folder, EarlyKernel(ENABLE | functions), kind)))
    assert isinstance(image.early_code, Known), image.early_code
    return image.early_code.value


def found(folder: Path, functions: dict[str, str], kind: str = "vmlinux") -> list[tuple[str, ...]]:
    """Return the functions that lead to each access by a link address."""
    code = code_of(folder, functions, kind)
    assert not code.not_followed
    return [tuple(name.partition("+")[0] for name in one.path) for one in code.accesses]


@KINDS
def test_an_access_by_a_link_address_is_found_wherever_the_code_leads(
    tmp_path: Path, kind: str
) -> None:
    functions = {
        "sme_encrypt_kernel": f"call __sme_map_range;{RET}",
        "__sme_map_range": f"90 jz sme_prepare_pgd;{RET}",
        "sme_prepare_pgd": "9090 jmp test_of_feature;",
        "test_of_feature": HARM,
    }
    kernel = EarlyKernel(ENABLE | functions)
    image = read_kernel(str(written(tmp_path, kernel, kind)))
    assert isinstance(image.early_code, Known)
    code = image.early_code.value
    assert not code.not_followed
    (access,) = code.accesses
    assert access.address == kernel.address("test_of_feature") + 1
    assert (access.code, access.operand) == (OF_LINK_ADDRESS, DATA)
    assert access.symbol == "boot_cpu_data+0x4d"
    assert access.addressing is Addressing.ABSOLUTE
    assert access.path == (
        "sme_encrypt_kernel",
        "__sme_map_range+0x1",
        "sme_prepare_pgd+0x2",
        "test_of_feature+0x1",
    )


@pytest.mark.parametrize("entry", ["sme_encrypt_kernel", "sme_enable", "__enc_copy"])
@pytest.mark.parametrize("prefix", ["", "__pi_"])
def test_each_entry_is_followed_however_it_is_spelled(
    tmp_path: Path, entry: str, prefix: str
) -> None:
    functions = {"sme_encrypt_kernel": RET, prefix + entry: HARM}
    assert found(tmp_path, functions) == [(prefix + entry,)]


HARMLESS = {
    "by a distance": OF_LINK_ADDRESS_RELATIVE,
    "only computed (lea)": "488d0425058f8a81",
    "only computed, with a base": "4c8dbc10058f8a81",
    "an immediate": "48c7c0058f8a81",
    "per CPU": "65488b0425058f8a81",
    "a low address": "48c704257800000000000000",
    "a frame": "488b85f0feffff",
    "a nop": "0f1f0425058f8a81",
    "what a jump passes over": "eb08" + OF_LINK_ADDRESS,
}


@pytest.mark.parametrize("code", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("kind", ["vmlinux", "zstd"])
def test_what_accesses_no_link_address_is_no_harm(tmp_path: Path, code: str, kind: str) -> None:
    assert not found(tmp_path, {"sme_encrypt_kernel": code + RET}, kind)


@KINDS
def test_what_the_code_does_not_reach_is_no_harm(tmp_path: Path, kind: str) -> None:
    functions = {
        "sme_encrypt_kernel": f"{RET}{OF_LINK_ADDRESS}{RET}",  # after its end
        "neighbour": HARM,
        "other": f"call neighbour;{RET}",
    }
    assert not found(tmp_path, functions, kind)


def test_what_comes_after_a_call_that_does_not_return_is_no_harm(tmp_path: Path) -> None:
    functions = {
        "sme_encrypt_kernel": f"jz sme_fails;{RET}",
        "sme_fails": f"call panic;{OF_LINK_ADDRESS}{RET}",
        "panic": HARM,
        "sme_enable": f"jz snp_abort;call __pi_sev_es_terminate;{OF_LINK_ADDRESS}{RET}",
        "snp_abort": HARM,
        "__pi_sev_es_terminate": HARM,
    }
    assert not found(tmp_path, functions)


def test_what_is_for_encrypted_guests_alone_is_not_followed(tmp_path: Path) -> None:
    functions = {
        "sme_encrypt_kernel": RET,
        "sme_enable": f"call snp_init;{RET}",
        "snp_init": f"call svsm_perform_call_protocol;{RET}",
        "svsm_perform_call_protocol": HARM,
    }
    assert not found(tmp_path, functions)
    (access,) = code_of(tmp_path, functions | {"snp_init": HARM}).accesses
    assert access.for_guests


@pytest.mark.parametrize("name", ["__asan_report_load8_noabort", "kasan_check_range"])
@KINDS
def test_what_kasan_calls_is_not_followed(tmp_path: Path, name: str, kind: str) -> None:
    """Found with a KASAN build of 6.12.117 that agrees in every run of its code."""
    functions = {"sme_encrypt_kernel": f"call {name};{RET}", name: f"call report;{RET}"}
    assert found(tmp_path, {**functions, "report": HARM}, kind) == []


def test_code_that_goes_by_a_register_or_memory_is_not_followed_and_that_is_said(
    tmp_path: Path,
) -> None:
    for way in ("ffe0", "ffd0c3", "ff1500100000c3", "4c891c24c3", "48890424e900000000c3"):
        code = code_of(tmp_path, {"sme_encrypt_kernel": way})
        assert code.not_followed == (
            "sme_encrypt_kernel, reached from sme_encrypt_kernel: it goes where a register or "
            "memory says",
        )
    spilled = {"sme_encrypt_kernel": "4889042448891c2490c3"}
    assert not code_of(tmp_path, spilled).not_followed


def test_the_call_of_the_copied_routine_is_known(tmp_path: Path) -> None:
    functions = {
        "sme_encrypt_kernel": f"call sme_encrypt_execute;{RET}",
        "sme_encrypt_execute": f"9090ffd0{RET}",
    }
    assert len(code_of(tmp_path, functions).not_followed) == 1
    assert not found(tmp_path, functions | {"__enc_copy": f"f3a4{RET}"})


def test_what_is_no_code_is_said_to_be_none(tmp_path: Path) -> None:
    code = code_of(tmp_path, {"sme_encrypt_kernel": "9006"})
    assert code.not_followed == (
        "sme_encrypt_kernel+0x1, reached from sme_encrypt_kernel: it is no code of the image",
    )
    away = "e9" + (0x7000000).to_bytes(4, "little").hex()
    assert "no code of the image" in code_of(tmp_path, {"sme_encrypt_kernel": away}).not_followed[0]


def test_code_without_end_is_followed_so_far_and_no_further(tmp_path: Path) -> None:
    functions = {"sme_encrypt_kernel": "call f0;c3"}
    for number in range(40):
        functions[f"f{number}"] = f"{'90' * 200} call f{number + 1};c3"
    functions["f40"] = HARM
    code = code_of(tmp_path, functions)
    assert not code.accesses
    assert "more of it than is followed" in code.not_followed[0]


def test_tables_and_registers(tmp_path: Path) -> None:
    (indexed,) = code_of(tmp_path, {"sme_encrypt_kernel": "8b0485058f8a81c3"}).accesses
    assert indexed.addressing is Addressing.INDEXED
    (by_register,) = code_of(tmp_path, {"sme_encrypt_kernel": "8a80058f8a81c3"}).accesses
    assert by_register.addressing is Addressing.REGISTER


def test_instructions_may_lie_across_pages(tmp_path: Path) -> None:
    kernel = EarlyKernel({**ENABLE, "sme_encrypt_kernel": HARM})
    for back in range(1, 10):
        kernel.places["sme_encrypt_kernel"] = TEXT + 0x3000 - back
        image = read_kernel(str(written(tmp_path, kernel, "zstd")))
        assert isinstance(image.early_code, Known)
        (access,) = image.early_code.value.accesses
        assert access.address == TEXT + 0x3000 - back + 1


def early_code_unknown(image: KernelImage) -> str:
    assert isinstance(image.early_code, Unknown)
    return image.early_code.reason


def test_where_the_code_is_not_known_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(vmlinux(stripped=True).build())
    assert "kallsyms" in early_code_unknown(read_kernel(str(path)))
    path.write_bytes(vmlinux(sme=False).build())
    assert "no SME code" in early_code_unknown(read_kernel(str(path)))


# what a user sees


def answer(path: Path, *options: str) -> Any:
    return run("analyze", str(path), *options, "--format", "json")


def findings(done: Any) -> list[Any]:
    return [one for one in done.document["findings"] if one["rule"] == "SME046"]


@KINDS
def test_the_rule_fails_under_the_condition_that_sme_is_on(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, EarlyKernel({**ENABLE, "sme_encrypt_kernel": HARM}), kind)
    done = answer(path)
    assert done.status == 1
    assert done.document["verdict"] == "collision"
    (finding,) = findings(done)
    assert (finding["severity"], finding["condition"]) == ("error", "SME is on")
    for part in (OF_LINK_ADDRESS, "boot_cpu_data+0x4d", f"{DATA:#x}", "triple fault"):
        assert part in finding["message"]
    assert "mem_encrypt=off" in finding["remedy"]
    on = answer(path, "--sme", "on")
    assert findings(on)[0]["condition"] is None
    off = answer(path, "--sme", "off")
    assert not findings(off)
    assert off.document["verdict"] == "not-applicable"


@pytest.mark.parametrize(("code", "index"), [(HARM, ""), ("8b0485058f8a81c3", " and an index")])
def test_an_element_of_a_table_is_said_to_be_one(tmp_path: Path, code: str, index: str) -> None:
    path = written(tmp_path, EarlyKernel({**ENABLE, "sme_encrypt_kernel": code}), "vmlinux")
    (finding,) = findings(answer(path))
    assert f"by its link address 0xffffffff818a8f05{index}: nothing is mapped" in finding["message"]


@KINDS
def test_the_rule_passes_for_code_that_is_position_independent(tmp_path: Path, kind: str) -> None:
    functions = {**ENABLE, "sme_encrypt_kernel": OF_LINK_ADDRESS_RELATIVE + RET}
    done = answer(written(tmp_path, EarlyKernel(functions), kind))
    outcomes = {check["rule"]: check["outcome"] for check in done.document["checks"]}
    assert outcomes["SME046"] == "passed"


def test_what_cannot_be_followed_is_a_note(tmp_path: Path) -> None:
    functions = {**ENABLE, "sme_encrypt_kernel": "8a80058f8a81ffe0"}
    done = answer(written(tmp_path, EarlyKernel(functions), "zstd"))
    assert {finding["severity"] for finding in findings(done)} == {"note"}
    assert len(findings(done)) == 2
    assert done.status != 1


def lines_of_first_screen(path: Path) -> list[str]:
    shown = run("analyze", str(path), "--format", "text").out
    return [line.partition("SME046  ")[2] for line in shown.splitlines() if "SME046  " in line]


def test_a_line_of_the_first_screen_says_where_however_long_names_are(tmp_path: Path) -> None:
    function = "set_p4d_of_a_compiler_that_makes_names_of_all_that_it_knows"
    functions = {
        **ENABLE,
        "sme_encrypt_kernel": f"call {function};90 call __sme_map_range;{RET}",
        function: f"90;{HARM}",
        "__sme_map_range": HARM,
    }
    path = written(tmp_path, EarlyKernel(functions), "vmlinux")
    assert sorted(lines_of_first_screen(path)) == [
        "fault at __sme_map_range+0x1, from sme_encrypt_kernel+0x6",
        "fault at set_p4d_of_a_compiler_that_makes...+0x2, from sme_encrypt_kernel",
    ]
    assert any(function in finding["message"] for finding in findings(answer(path)))


def test_a_note_of_the_first_screen_promises_no_fault(tmp_path: Path) -> None:
    functions = {**ENABLE, "sme_encrypt_kernel": "8a80058f8a81ffe0"}
    path = written(tmp_path, EarlyKernel(functions), "vmlinux")
    assert set(lines_of_first_screen(path)) == {
        "perhaps a fault at sme_encrypt_kernel",
        "early code is not followed to its end",
    }


def test_a_description_keeps_what_was_found(tmp_path: Path) -> None:
    functions = {**ENABLE, "sme_encrypt_kernel": OF_LINK_ADDRESS + "8a80058f8a81ffe0"}
    path = written(tmp_path, EarlyKernel(functions), "zstd")
    described = tmp_path / "kernel.yaml"
    assert run("describe", str(path), "-o", str(described)).status == 0
    assert findings(answer(described)) == findings(answer(path))
    assert len(findings(answer(described))) == 3


def test_a_gate_fails_for_it(tmp_path: Path) -> None:
    path = written(tmp_path, EarlyKernel({**ENABLE, "sme_encrypt_kernel": HARM}), "zstd")
    done = run("gate", str(path), "--format", "plain")
    assert done.status == 1
    assert "row: kernel SME046 failed error" in done.out
