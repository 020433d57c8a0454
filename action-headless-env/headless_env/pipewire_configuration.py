"""Configuration of PipeWire and WirePlumber that knows no hardware: null sinks and a microphone, nothing else.

All of it is ours, so that neither the host's fragments nor the user's bring in devices, Bluetooth, portals or JACK.
Sources: the comments in PipeWire's and WirePlumber's own configuration files and manuals.
"""

from __future__ import annotations

from pathlib import Path
from string import Template

from headless_env.audio_layout import FEED, MICROPHONE, RATE_HERTZ, SPEAKER

# A thread that is not run within one quantum leaves a gap of that length. With 2048 frames (43 ms) 3 of 40 takes had
# one beside four busy loops on two processors; longer ones make every check slower.
QUANTUM_FRAMES = 4096

_LIBRARIES = """\
context.spa-libs = {
  audio.convert.* = audioconvert/libspa-audioconvert
  support.* = support/libspa-support
}
"""

# Real-time priority where our limits allow it (root; Fedora's pipewire group), without asking the host's rtkit.
_REALTIME = """\
  { name = libpipewire-module-rt
    args = { nice.level = -11 rt.prio = 20 rtkit.enabled = false rtportal.enabled = false }
    flags = [ ifexists nofail ]
  }
"""

_PIPEWIRE = Template(
    """\
context.properties = {
  log.level = 2
  mem.allow-mlock = false
  support.dbus = false
  core.daemon = true
  core.name = pipewire-0
  default.clock.rate = $rate
  default.clock.allowed-rates = [ $rate ]
  default.clock.quantum = $quantum
  default.clock.min-quantum = $quantum
  default.clock.max-quantum = 8192
  vm.overrides = { default.clock.min-quantum = $quantum }
}
$libraries
context.modules = [
$realtime  { name = libpipewire-module-protocol-native }
  { name = libpipewire-module-metadata }
  { name = libpipewire-module-spa-node-factory }
  { name = libpipewire-module-client-node }
  { name = libpipewire-module-client-device }
  { name = libpipewire-module-access }
  { name = libpipewire-module-adapter }
  { name = libpipewire-module-link-factory }
  { name = libpipewire-module-session-manager }
  { name = libpipewire-module-loopback
    args = {
      node.description = Microphone
      capture.props = {
        node.name = $microphone.capture
        stream.capture.sink = true
        target.object = $feed
      }
      playback.props = {
        node.name = $microphone
        media.class = Audio/Source
        priority.session = 2000
      }
    }
  }
]
context.objects = [
  { factory = spa-node-factory
    args = {
      factory.name = support.node.driver
      node.name = Dummy-Driver
      node.group = pipewire.dummy
      priority.driver = 20000
    }
  }
  { factory = adapter
    args = {
      factory.name = support.null-audio-sink
      node.name = $speaker
      node.description = Speaker
      media.class = Audio/Sink
      audio.position = [ FL FR ]
      audio.rate = $rate
      priority.session = 2000
      node.pause-on-idle = false
      monitor.channel-volumes = true
    }
  }
  { factory = adapter
    args = {
      factory.name = support.null-audio-sink
      node.name = $feed
      node.description = MicrophoneFeed
      media.class = Audio/Sink
      audio.position = [ FL FR ]
      audio.rate = $rate
      priority.session = 100
      node.pause-on-idle = false
      monitor.channel-volumes = true
    }
  }
]
"""
)

_PIPEWIRE_PULSE = Template(
    """\
context.properties = {
  log.level = 2
  mem.allow-mlock = false
  support.dbus = false
}
$libraries
context.modules = [
$realtime  { name = libpipewire-module-protocol-native }
  { name = libpipewire-module-client-node }
  { name = libpipewire-module-adapter }
  { name = libpipewire-module-metadata }
  { name = libpipewire-module-protocol-pulse
    args = {
      server.address = [ "unix:$socket" ]
      server.dbus-name = ""
      pulse.min.quantum = $quantum/$rate
      vm.overrides = { pulse.min.quantum = $quantum/$rate }
    }
  }
]
"""
)

_WIREPLUMBER_04 = Template(
    """\
context.properties = {
  log.level = 2
  mem.allow-mlock = false
  wireplumber.script-engine = lua-scripting
}
$libraries
context.modules = [
  { name = libpipewire-module-protocol-native }
  { name = libpipewire-module-client-node }
  { name = libpipewire-module-client-device }
  { name = libpipewire-module-adapter }
  { name = libpipewire-module-metadata }
  { name = libpipewire-module-session-manager }
]
wireplumber.components = [
  { name = libwireplumber-module-lua-scripting, type = module }
  { name = headless.lua, type = config/lua }
]
"""
)

# The linking policy and the default nodes, without the monitors of devices. Nodes are never suspended: waking up
# would cost the beginning of what is played.
_WIREPLUMBER_04_LUA = """\
components = {}
local function module(name, arguments)
  components[name] = { "libwireplumber-module-" .. name, type = "module", args = arguments }
end
local function script(name, arguments)
  components[name] = { name, type = "script/lua", args = arguments }
end
local policy = { ["move"] = true, ["follow"] = true, ["filter.forward-format"] = false, ["audio.no-dsp"] = false }
module("metadata")
module("default-nodes", { ["use-persistent-storage"] = false })
module("default-nodes-api")
module("mixer-api")
module("si-node")
module("si-audio-adapter")
module("si-standard-link")
module("si-audio-endpoint")
script("access/access-default.lua", { rules = {} })
script("static-endpoints.lua", {})
script("create-item.lua", policy)
script("policy-node.lua", policy)
"""

# Since 0.5 the distribution's file defines the components; a fragment of ours takes features away from its profile.
_WIREPLUMBER_05 = """\
wireplumber.profiles = {
  main = {
    hardware.audio = disabled
    hardware.bluetooth = disabled
    hardware.video-capture = disabled
    support.logind = disabled
    monitor.bluez.seat-monitoring = disabled
    support.reserve-device = disabled
    monitor.alsa.reserve-device = disabled
    support.portal-permissionstore = disabled
    script.client.access-portal = disabled
    hooks.node.suspend = disabled
    hooks.device.profile.state = disabled
    hooks.device.routes.state = disabled
    hooks.default-nodes.state = disabled
    hooks.stream.state = disabled
  }
}
"""


def write_pipewire(folder: Path, *, socket: Path) -> dict[str, str]:
    """Write the files of both servers below `folder`; returns the variables that lead them there."""
    target = folder / "pipewire"
    target.mkdir(mode=0o700, exist_ok=True)
    values = {
        "libraries": _LIBRARIES, "realtime": _REALTIME, "rate": RATE_HERTZ, "quantum": QUANTUM_FRAMES, "socket": socket,
        "speaker": SPEAKER, "feed": FEED, "microphone": MICROPHONE,
    }  # fmt: skip
    (target / "pipewire.conf").write_text(_PIPEWIRE.substitute(values))
    (target / "pipewire-pulse.conf").write_text(_PIPEWIRE_PULSE.substitute(values))
    return {"PIPEWIRE_CONFIG_DIR": str(target)}


def write_wireplumber(folder: Path, *, version: tuple[int, int]) -> dict[str, str]:
    """Write WirePlumber's files below `folder` in the format of `version`; returns the variables for it."""
    state = {"XDG_STATE_HOME": str(folder / "state"), "XDG_CONFIG_HOME": str(folder / "config")}
    if version >= (0, 5):
        fragments = folder / "config" / "wireplumber" / "wireplumber.conf.d"
        fragments.mkdir(mode=0o700, parents=True, exist_ok=True)
        (fragments / "99-headless.conf").write_text(_WIREPLUMBER_05)
        return state
    target = folder / "wireplumber"
    scripts = target / "headless.lua.d"
    scripts.mkdir(mode=0o700, parents=True, exist_ok=True)
    (target / "wireplumber.conf").write_text(_WIREPLUMBER_04.substitute(libraries=_LIBRARIES))
    (scripts / "10-headless.lua").write_text(_WIREPLUMBER_04_LUA)
    return {**state, "WIREPLUMBER_CONFIG_DIR": str(target)}
