"""The sandbox's system call filter: a program for the kernel's seccomp (classic BPF).

All calls are allowed except those that reach other processes, rarely used parts of the kernel, or memory that no limit
covers.
"""

import struct
from collections.abc import Iterator

_X86_64, _AARCH64 = "x86_64", "aarch64"
MACHINES = (_X86_64, _AARCH64)
_AUDIT_ARCH = {_X86_64: 0xC000003E, _AARCH64: 0xC00000B7}  # <linux/audit.h>
_X32_BIT = 0x40000000  # x86_64 has a second set of the same calls, with this bit; all of it is refused

# Name -> (number on x86_64, number on aarch64), from the kernel's unistd headers; None: the machine lacks the call.
# Calls that read, write or starve other processes, among them process 1 of the jail.
_PROCESSES = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "setpriority": (141, 140),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}
# File systems, namespaces, the machine.
_SYSTEM = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "vhangup": (153, 58),
}
# Parts of the kernel that no solution needs and many exploits have used.
_KERNEL = {
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "personality": (135, 92),
}
# Memory that belongs to no process, so that a process's limits do not count it.
_MEMORY = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
}
DENIED = {**_PROCESSES, **_SYSTEM, **_KERNEL, **_MEMORY}
_CLONE, _CLONE3, _SOCKET, _PRLIMIT = (56, 220), (435, 435), (41, 198), (302, 261)

_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET, <linux/sched.h>
_AF_UNIX = 1
_EPERM, _ENOSYS = 1, 38
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000  # <linux/seccomp.h>
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # <linux/bpf_common.h>
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; both machines are little-endian


def filter_program(machine: str) -> bytes:
    """The filter for `machine`, one of MACHINES, as an array of struct sock_filter."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in _instructions(MACHINES.index(machine)))


def _instructions(column: int) -> Iterator[tuple[int, int, int, int]]:
    """(operation, instructions to skip if true, if false, operand)."""
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _JUMP_EQUAL, 1, 0, _AUDIT_ARCH[MACHINES[column]]
    yield _RETURN, 0, 0, _KILL_PROCESS  # calls with another machine's numbers, which the rules below would miss
    yield _LOAD, 0, 0, _NUMBER
    if MACHINES[column] == _X86_64:
        yield _JUMP_AT_LEAST, 0, 1, _X32_BIT
        yield _RETURN, 0, 0, _KILL_PROCESS
    for numbers in DENIED.values():
        number = numbers[column]
        if number is not None:
            yield _JUMP_EQUAL, 0, 1, number
            yield _RETURN, 0, 0, _ERRNO | _EPERM
    # Without clone3 the C library uses clone, whose flags this filter can see.
    yield _JUMP_EQUAL, 0, 1, _CLONE3[column]
    yield _RETURN, 0, 0, _ERRNO | _ENOSYS
    yield from _deny_by_argument(_CLONE[column], (_JUMP_ANY_BIT, 0, 1, _NEW_NAMESPACES))
    yield from _deny_by_argument(_SOCKET[column], (_JUMP_EQUAL, 1, 0, _AF_UNIX))
    yield from _deny_by_argument(_PRLIMIT[column], (_JUMP_EQUAL, 1, 0, 0))  # 0: the caller itself
    yield _RETURN, 0, 0, _ALLOW


def _deny_by_argument(number: int, refused: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
    """refused: a jump over one instruction unless the call's first argument is refused."""
    yield _JUMP_EQUAL, 0, 4, number
    yield _LOAD, 0, 0, _FIRST_ARGUMENT
    yield refused
    yield _RETURN, 0, 0, _ERRNO | _EPERM
    yield _RETURN, 0, 0, _ALLOW
