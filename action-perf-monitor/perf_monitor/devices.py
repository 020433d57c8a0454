"""Which disks and network interfaces are real, so that no byte is counted twice, and what went through them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from perf_monitor.kernel_files import try_read

# Interfaces that show traffic a second time, where no physical one is there to go by (as in a container).
_VIRTUAL_TYPES = frozenset(
    (b"bridge", b"vlan", b"bond", b"macvlan", b"vxlan", b"geneve", b"gre", b"wireguard", b"dsa")
)
_VIRTUAL_NAMES = ("lo", "docker", "veth", "br-", "virbr", "ifb", "dummy", "tun", "tap", "cni", "flannel")


def is_disk(name: str, sys_root: str = "/sys") -> bool:
    """Whether a name in /proc/diskstats is a whole, real disk.

    Partitions are not in /sys/block. What is made of other disks (LVM, md, bcache, crypt) or of none (loop, zram, ram)
    has no device of its own; nor are there counters of a path to an NVMe disk that is hidden behind another name.
    """
    folder = f"{sys_root}/block/{name.replace('/', '!')}"
    if not os.path.exists(f"{folder}/device") or try_read(f"{folder}/hidden").strip() == b"1":
        return False
    try:
        return not os.listdir(f"{folder}/slaves")
    except OSError:
        return True


def is_physical_interface(name: str, sys_root: str = "/sys") -> bool:
    """Whether a network interface has hardware (or a hypervisor's) behind it: members of a bond, but not the bond."""
    return os.path.exists(f"{sys_root}/class/net/{name}/device")


def is_outer_interface(name: str, sys_root: str = "/sys") -> bool:
    """Whether an interface leads out of a container: its eth0 has no device, but is neither a bridge nor a tunnel."""
    folder = f"{sys_root}/class/net/{name}"
    if name.startswith(_VIRTUAL_NAMES) or not os.path.isdir(folder):
        return False
    if any(os.path.exists(f"{folder}/{mark}") for mark in ("bridge", "bonding", "tun_flags")):
        return False
    kind = try_read(f"{folder}/uevent").partition(b"DEVTYPE=")[2].partition(b"\n")[0]
    return kind not in _VIRTUAL_TYPES


class Interfaces:
    """Chooses the interfaces that count: the physical ones; without any of these, those that lead out."""

    def __init__(self, sys_root: str = "/sys") -> None:
        self._sys_root = sys_root
        self._physical: dict[str, bool] = {}
        self._outer: dict[str, bool] = {}

    def choose(self, names: Mapping[str, object]) -> list[str]:
        """Those of `names` that count. What was learnt of a name is kept for as long as it is there."""
        physical = _learn(self._physical, names, lambda name: is_physical_interface(name, self._sys_root))
        if physical:
            return physical
        return _learn(self._outer, names, lambda name: is_outer_interface(name, self._sys_root))


class Disks:
    """Chooses the disks that count."""

    def __init__(self, sys_root: str = "/sys") -> None:
        self._sys_root = sys_root
        self._known: dict[str, bool] = {}

    def choose(self, names: Mapping[str, object]) -> list[str]:
        """Those of `names` that count."""
        return _learn(self._known, names, lambda name: is_disk(name, self._sys_root))


def _learn(known: dict[str, bool], names: Mapping[str, object], ask: Callable[[str], bool]) -> list[str]:
    for gone in known.keys() - names.keys():
        del known[gone]
    for name in names:
        if name not in known:
            known[name] = ask(name)
    return [name for name in names if known[name]]


class Traffic:
    """Two counters of each of several devices, and by how much they grew between two looks."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] | None = None

    def grow(self, counters: Mapping[str, tuple[int, int]]) -> tuple[int, int] | None:
        """The growth of both over all devices since the look before; None at the first.

        A device that is new brings nothing yet: what it counted may be from long ago. One whose counter went
        backwards (it wrapped, or the device was plugged in again) brings nothing this time.
        """
        before, self._last = self._last, dict(counters)
        if before is None:
            return None
        one = two = 0
        for name, (first, second) in counters.items():
            if name in before:
                one += max(0, first - before[name][0])
                two += max(0, second - before[name][1])
        return one, two
