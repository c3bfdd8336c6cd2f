"""The pause image: the smallest program that can hold a pod's namespaces, made here from bytes.

No registry is asked for it. The archive is the same on every machine of one architecture, so its image id
is too.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import struct
import tarfile

# The program, in words: block SIGTERM and SIGINT, so that they are queued even for process 1; ignore SIGCHLD,
# so that the kernel reaps orphans; then wait until one of the two blocked signals comes; then exit with 0.
# Waiting with pause(2) instead would ignore SIGTERM, because process 1 has no default handlers.
_AMD64 = bytes.fromhex(
    "41ba08000000"  # mov r10d, 8               size of a signal set
    "31ff"  # xor edi, edi                      SIG_BLOCK
    "488d3541000000"  # lea rsi, [rip+0x41]     set: TERM, INT
    "31d2"  # xor edx, edx                      no old set
    "b80e000000"  # mov eax, 14                 rt_sigprocmask
    "0f05"  # syscall
    "bf11000000"  # mov edi, 17                 SIGCHLD
    "488d3534000000"  # lea rsi, [rip+0x34]     action: SIG_IGN
    "31d2"  # xor edx, edx
    "b80d000000"  # mov eax, 13                 rt_sigaction
    "0f05"  # syscall
    "488d3d1c000000"  # lea rdi, [rip+0x1c]     wait: for the set
    "31f6"  # xor esi, esi                      no siginfo wanted
    "31d2"  # xor edx, edx                      no time limit
    "b880000000"  # mov eax, 128                rt_sigtimedwait
    "0f05"  # syscall
    "85c0"  # test eax, eax
    "7eea"  # jle                               interrupted by another signal: wait again
    "31ff"  # xor edi, edi
    "b83c000000"  # mov eax, 60                 exit
    "0f05"  # syscall
    "00000000"  # to byte 0x50
    "0240000000000000"  # set: bit 1 (SIGINT = 2) and bit 14 (SIGTERM = 15)
    "0100000000000000" + "00" * 24  # action: handler SIG_IGN, then no flags, restorer or mask
)
_ARM64 = bytes.fromhex(
    "030180d2"  # mov x3, #8                    size of a signal set
    "000080d2"  # mov x0, #0                    SIG_BLOCK
    "81020010"  # adr x1, set
    "020080d2"  # mov x2, #0                    no old set
    "e81080d2"  # mov x8, #135                  rt_sigprocmask
    "010000d4"  # svc #0
    "200280d2"  # mov x0, #17                   SIGCHLD
    "21020010"  # adr x1, action
    "020080d2"  # mov x2, #0
    "c81080d2"  # mov x8, #134                  rt_sigaction
    "010000d4"  # svc #0
    "60010010"  # adr x0, set                   wait: for the set
    "010080d2"  # mov x1, #0                    no siginfo wanted
    "020080d2"  # mov x2, #0                    no time limit
    "281180d2"  # mov x8, #137                  rt_sigtimedwait
    "010000d4"  # svc #0
    "1f0000714dffff54"  # cmp w0, #0; b.le      interrupted: wait again
    "000080d2"  # mov x0, #0
    "a80b80d2"  # mov x8, #93                   exit
    "010000d4"  # svc #0
    "1f2003d5"  # nop                           to an address divisible by 8
    "0240000000000000"  # set: SIGINT, SIGTERM
    "0100000000000000" + "00" * 24  # action: SIG_IGN
)
_PROGRAMS = {"amd64": (62, _AMD64), "arm64": (183, _ARM64)}  # ELF machine number, code and data
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_BASE = 0x400000  # where the program is mapped


def architecture() -> str:
    """This machine's, in the words images and nodes use."""
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def program(arch: str) -> bytes:
    """The ELF file: one header, one segment that is read and executed, and the code."""
    if arch not in _PROGRAMS:
        raise ValueError(f"there is no pause program for {arch}, only for {', '.join(_PROGRAMS)}")
    machine, code = _PROGRAMS[arch]
    headers = 64 + 56
    size = headers + len(code)
    identity = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)  # 64 bit, little endian, version 1
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, _BASE + headers, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )  # an executable whose one program header follows at byte 64
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)  # load, read and execute
    return identity + header + segment + code


def archive(reference: str, arch: str) -> bytes:
    """What ``docker load`` takes: one layer with /pause, its configuration and the manifest."""
    layer = _tar({"pause": (program(arch), 0o755)})
    config = {
        "architecture": arch,
        "os": "linux",
        "config": {"Entrypoint": ["/pause"], "StopSignal": "SIGTERM"},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    return _tar(
        {
            "config.json": (json.dumps(config, sort_keys=True).encode(), 0o644),
            "manifest.json": (json.dumps(manifest, sort_keys=True).encode(), 0o644),
            "layer.tar": (layer, 0o644),
        }
    )


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    """No times or owners in it: the same files always give the same bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
