"""The filter's decisions, by carrying it out as the kernel does. That a kernel takes it is seen in tests/hostile."""

import errno
import struct

import pytest

from prefdelta.graders.sandbox_seccomp import DENIED, MACHINES, filter_program

ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NUMBERS = {  # of calls that every program makes, or that depend on their first argument
    "x86_64": {"read": 0, "openat": 257, "execve": 59, "clone": 56, "clone3": 435, "socket": 41, "prlimit64": 302},
    "aarch64": {"read": 63, "openat": 56, "execve": 221, "clone": 220, "clone3": 435, "socket": 198, "prlimit64": 261},
}
ALLOWED, KILLED = 0x7FFF0000, 0x80000000


def decision(program: bytes, architecture: int, number: int, argument: int = 0) -> int:
    """What the kernel does at a system call: it interprets the program, see its Documentation/networking/filter.rst."""
    data = struct.pack("<iIQ6Q", number, architecture, 0, argument, 0, 0, 0, 0, 0)
    instructions = list(struct.iter_unpack("<HBBI", program))
    at = value = 0
    while True:
        operation, if_true, if_false, operand = instructions[at]
        at += 1
        if operation == 0x06:
            return operand
        if operation == 0x20:
            (value,) = struct.unpack_from("<I", data, operand)
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[operation]
            at += if_true if holds else if_false


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("call", "argument", "refused"),
    [
        ("read", 0, None),
        ("openat", 2**32 - 100, None),
        ("execve", 7, None),
        ("clone", 17, None),  # fork
        ("clone", 0x3D0F00, None),  # a thread
        ("clone", 0x10000000 | 17, errno.EPERM),  # a user namespace
        ("clone", 0x00020000 | 17, errno.EPERM),  # a mount namespace
        ("clone3", 0, errno.ENOSYS),
        ("socket", 1, None),  # AF_UNIX
        ("socket", 2, errno.EPERM),  # AF_INET
        ("socket", 10, errno.EPERM),  # AF_INET6
        ("prlimit64", 0, None),  # its own limits
        ("prlimit64", 1, errno.EPERM),  # process 1's
    ],
)
def test_what_a_program_needs_is_allowed_and_what_it_does_not_is_refused(machine, call, argument, refused):
    found = decision(filter_program(machine), ARCHITECTURE[machine], NUMBERS[machine][call], argument)
    assert found == (ALLOWED if refused is None else 0x00050000 | refused)


@pytest.mark.parametrize("machine", MACHINES)
def test_every_denied_call_is_refused(machine):
    numbers = [by_machine[MACHINES.index(machine)] for by_machine in DENIED.values()]
    found = {
        decision(filter_program(machine), ARCHITECTURE[machine], number) for number in numbers if number is not None
    }
    assert found == {0x00050000 | errno.EPERM}


def test_calls_in_the_numbers_of_another_machine_end_the_process():
    i386 = 0x40000003
    assert decision(filter_program("x86_64"), i386, 11) == KILLED
    assert decision(filter_program("x86_64"), ARCHITECTURE["aarch64"], 0) == KILLED
    assert decision(filter_program("x86_64"), ARCHITECTURE["x86_64"], 0x40000000 | 101) == KILLED  # x32
