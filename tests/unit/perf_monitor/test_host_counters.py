"""What is counted of a host, from trees that stand for /proc and /sys."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from fakes.trees import build
from perf_monitor.cgroups import ControlGroup
from perf_monitor.devices import Disks, Interfaces, Traffic
from perf_monitor.host_counters import HostCounters
from perf_monitor.pressure import Pressure

GIB = 1 << 30


def named(*names: str) -> dict[str, object]:
    return dict.fromkeys(names)


def test_only_whole_disks_with_a_device_count(tmp_path):
    sys_root = build(
        tmp_path,
        {
            "block/sda/device/": "",
            "block/sda/slaves/": "",
            "block/nvme0n1/device/": "",
            "block/nvme0c0n1/device/": "",
            "block/nvme0c0n1/hidden": "1\n",
            "block/dm-0/slaves/sda2/": "",
            "block/loop0/slaves/": "",
            "block/zram0/slaves/": "",
            "block/md0/slaves/sda1/": "",
        },
    )
    seen = named("sda", "sda1", "sda2", "nvme0n1", "nvme0c0n1", "dm-0", "loop0", "zram0", "md0")
    assert Disks(str(sys_root)).choose(seen) == ["sda", "nvme0n1"]


def test_the_members_of_a_bond_count_and_the_bond_does_not(tmp_path):
    sys_root = build(
        tmp_path,
        {f"class/net/{name}/device/": "" for name in ("eth0", "eth1")}
        | {f"class/net/{name}/type": "1\n" for name in ("lo", "bond0", "docker0", "veth12", "tun0", "ifb0")},
    )
    seen = named("lo", "bond0", "eth0", "eth1", "docker0", "veth12", "tun0", "ifb0")
    assert Interfaces(str(sys_root)).choose(seen) == ["eth0", "eth1"]


def test_in_a_container_the_interface_that_leads_out_counts(tmp_path):
    files = {"class/net/lo/type": "772\n", "class/net/eth0/uevent": "INTERFACE=eth0\n"}
    files |= {"class/net/wg0/uevent": "DEVTYPE=wireguard\nINTERFACE=wg0\n", "class/net/mybr/bridge/": ""}
    sys_root = build(tmp_path, files)
    assert Interfaces(str(sys_root)).choose(named("lo", "eth0", "wg0", "mybr")) == ["eth0"]


def test_counters_that_wrap_vanish_or_come_back_are_never_negative_or_huge():
    traffic = Traffic()
    assert traffic.grow({"a": (100, 10), "b": (4_294_967_000, 0)}) is None
    assert traffic.grow({"a": (150, 10), "b": (40, 5)}) == (50, 5)  # b wrapped at 32 bits
    assert traffic.grow({"a": (160, 11)}) == (10, 1)  # b was pulled out
    assert traffic.grow({"a": (160, 11), "b": (10**12, 7)}) == (0, 0)  # and is back, with a past
    assert traffic.grow({"a": (1, 1), "b": (10**12 + 3, 7)}) == (3, 0)
    assert traffic.grow({}) == (0, 0)


def pressure_files(waited: int) -> dict[str, str | bytes]:
    line = "{} avg10=0.00 avg60=0.00 avg300=0.00 total={}\n"
    both = line.format("some", waited) + line.format("full", waited // 2)
    return {"pressure/cpu": both, "pressure/memory": both, "pressure/io": both}


def test_pressure_is_the_share_of_the_interval_and_stays_within_it(tmp_path):
    pressure = Pressure(str(build(tmp_path, pressure_files(1_000_000))))
    assert set(pressure.read(None).values()) == {None}
    build(tmp_path, pressure_files(1_500_000))
    shares = pressure.read(2.0)
    assert shares["pressure_io_percent"] == 25
    assert shares["pressure_io_full_percent"] == 12.5
    build(tmp_path, pressure_files(9_000_000))
    assert pressure.read(1.0)["pressure_cpu_percent"] == 100
    build(tmp_path, pressure_files(0))
    assert pressure.read(1.0)["pressure_cpu_percent"] == 0


def test_a_kernel_without_pressure_gives_empty_cells(tmp_path):
    pressure = Pressure(str(tmp_path))
    pressure.read(None)
    assert set(pressure.read(1.0).values()) == {None}


def group(tmp_path: Path, groups: str, files: dict[str, str]) -> ControlGroup:
    build(tmp_path, {"proc/self/cgroup": groups} | {f"cg/{name}": text for name, text in files.items()})
    return ControlGroup(
        total_bytes=16 * GIB, cores=8, proc=str(tmp_path / "proc"), cgroup_root=str(tmp_path / "cg")
    )


def test_the_tightest_group_above_us_counts_in_version_2(tmp_path):
    files = {
        "a/memory.max": f"{2 * GIB}\n",
        "a/memory.current": f"{GIB}\n",
        "a/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
        "a/b/memory.max": "max\n",
        "a/b/memory.current": "77\n",
        "a/b/cpu.max": "200000 100000\n",
        "a/b/cpu.stat": "usage_usec 1000000\nnr_periods 10\nnr_throttled 1\n",
        "a/cpu.max": "max 100000\n",
    }
    own = group(tmp_path, "0::/a/b\n", files)
    first = own.read(None)
    assert first["cgroup_memory_mb"] == 512
    assert first["cgroup_memory_percent"] == 25
    assert first["cgroup_cpu_percent"] is None
    build(tmp_path / "cg/a/b", {"cpu.stat": "usage_usec 2000000\nnr_periods 20\nnr_throttled 6\n"})
    second = own.read(1.0)
    assert second["cgroup_cpu_percent"] == pytest.approx(50)
    assert second["cgroup_throttled_percent"] == pytest.approx(50)


def test_the_limits_of_version_1_are_found_below_the_mounts_top(tmp_path):
    """A container sees the host's path in /proc/self/cgroup, which leads nowhere in its own mount."""
    files = {
        "memory/memory.limit_in_bytes": f"{GIB}\n",
        "memory/memory.usage_in_bytes": f"{GIB // 4}\n",
        "memory/memory.stat": "total_inactive_file 0\n",
        "cpu/cpu.cfs_quota_us": "50000\n",
        "cpu/cpu.cfs_period_us": "100000\n",
        "cpu/cpu.stat": "nr_periods 0\nnr_throttled 0\n",
        "cpuacct/cpuacct.usage": "0\n",
    }
    own = group(tmp_path, "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n", files)
    assert own.read(None)["cgroup_memory_percent"] == 25
    build(tmp_path / "cg", {"cpuacct/cpuacct.usage": "250000000\n"})
    assert own.read(1.0)["cgroup_cpu_percent"] == pytest.approx(50)


def test_a_limit_that_is_none_gives_empty_cells(tmp_path):
    files = {"memory/memory.limit_in_bytes": "9223372036854771712\n", "cpu/cpu.cfs_quota_us": "-1\n"}
    own = group(tmp_path, "4:memory:/\n1:cpu:/\n0::/\n", files)
    own.read(None)
    assert set(own.read(1.0).values()) == {None}


def proc_files(*, busy: int, idle: int, killed: int) -> dict[str, str | bytes]:
    memory = (
        "MemTotal: 1024000 kB\nMemFree: 512000 kB\nMemAvailable: 768000 kB\nBuffers: 0 kB\nCached: 0 kB\n"
    )
    more = "SwapTotal: 0 kB\nSwapFree: 0 kB\nActive: 0 kB\nInactive: 0 kB\nShmem: 0 kB\nSlab: 0 kB\n"
    return {
        "stat": f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 {busy} 0 0 {idle} 0 0 0 0 0 0\n",
        "loadavg": "3.00 2.00 1.00 1/99 4711\n",
        "meminfo": memory + more,
        "vmstat": f"pswpin 0\npswpout 0\noom_kill {killed}\n",
        "net/dev": "Inter-|\n face |\n",
        "diskstats": "",
    }


def test_shares_are_of_the_interval_and_clocks_that_go_backwards_give_none_or_zero(tmp_path):
    proc = build(tmp_path / "proc", proc_files(busy=1000, idle=1000, killed=3))
    host = HostCounters(cores=2, disk_path=str(tmp_path), proc=str(proc), sys_root=str(tmp_path / "sys"))
    first = host.read(None)
    assert first["load_per_core"] == 1.5
    assert first["memory_percent"] == 25
    assert first["cpu_percent"] is None
    assert first["oom_kills"] is None
    assert first["network_rx"] is None
    build(proc, proc_files(busy=1030, idle=1070, killed=5))
    second = host.read(1.0)
    assert second["cpu_percent"] == pytest.approx(30)
    assert second["oom_kills"] == 2
    build(proc, proc_files(busy=5, idle=5, killed=0))
    third = host.read(1.0)
    assert third["cpu_percent"] is None
    assert third["oom_kills"] == 0


def test_two_looks_close_together_show_no_false_peak(tmp_path):
    proc = build(tmp_path / "proc", proc_files(busy=1000, idle=1000, killed=0))
    host = HostCounters(cores=2, disk_path=str(tmp_path), proc=str(proc), sys_root=str(tmp_path / "sys"))
    host.read(None)
    build(proc, proc_files(busy=1001, idle=1000, killed=0))
    assert host.read(0.01)["cpu_percent"] is None


def test_a_disk_path_that_is_gone_gives_empty_cells_and_the_real_host_all_others(tmp_path):
    host = HostCounters(cores=2, disk_path=str(tmp_path / "gone"))
    before = psutil.PROCFS_PATH
    host.read(None)
    values = host.read(1.0)
    assert values["disk_pct"] is None
    assert values["memory_mb"] > 0
    assert before == psutil.PROCFS_PATH
