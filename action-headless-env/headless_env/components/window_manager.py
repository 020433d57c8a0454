"""The window manager: openbox or fluxbox with a configuration of our own, whatever the user's says.

No key is bound: a test that types Alt+F4 or Super+D means the application under test.
"""

from __future__ import annotations

from pathlib import Path

from headless_env.startup import Readable, StartFailed, Steps, Task
from headless_env.world import Component, World
from headless_env.x11 import (
    PROPERTY_CHANGES,
    STRING,
    STRUCTURE,
    WINDOW,
    Client,
    Event,
    RequestError,
    X11Error,
    connect,
)

NAME = "window-manager"
ANSWER_SECONDS = 5.0
PROD_SECONDS = 0.002

_OPENBOX = """\
<?xml version="1.0" encoding="UTF-8"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <focus><focusNew>yes</focusNew><followMouse>no</followMouse></focus>
  <placement><policy>Smart</policy></placement>
  <theme><name>Clearlooks</name><animateIconify>no</animateIconify></theme>
  <desktops><number>1</number><popupTime>0</popupTime></desktops>
  <keyboard></keyboard>
</openbox_config>
"""

_FLUXBOX = """\
session.keyFile: {folder}/keys
session.appsFile: {folder}/apps
session.menuFile: {folder}/menu
session.styleFile: {folder}/style
session.slitlistFile: {folder}/slitlist
session.configVersion: 13
session.screen0.workspaces: 1
session.screen0.toolbar.visible: false
session.screen0.focusNewWindows: true
session.screen0.focusModel: ClickFocus
session.screen0.windowPlacement: RowSmartPlacement
"""
_FLUXBOX_KEYS = (
    "OnTitlebar Mouse1 :MacroCmd {Raise} {Focus} {StartMoving}\nOnWindow Mouse1 :MacroCmd {Raise} {Focus}\n"
)
_FLUXBOX_STYLE = "background: none\n"


def start(world: World, *, program: str, after: Task) -> Steps:
    """Start `program` when `after`, the X server's start, is done; ready when it has announced itself (EWMH)."""
    home = world.folder / "wm"
    argv = _configure(program, home)
    yield after
    environ = world.environ(HOME=str(home), XDG_CONFIG_HOME=str(home), XDG_CACHE_HOME=str(home))
    try:
        with connect(environ, timeout=ANSWER_SECONDS) as client:
            announced = client.intern_atom("_NET_SUPPORTING_WM_CHECK")
            client.select_events(client.setup.root, PROPERTY_CHANGES)
            client.synchronise()
            manager = world.spawn(NAME, argv, environ=environ)
            while not _is_announced(client, announced):
                if client.next_event(0.0) is None:  # else something came since we looked
                    yield Readable(client.fileno(), manager)
            yield from _wake(client, manager)
    except X11Error as error:
        raise StartFailed(f"{NAME}: {error}") from error


def _wake(client: Client, manager: Component) -> Steps:
    """Wait until it manages windows.

    An event that comes between its announcement and its main loop stays in openbox's queue until another one comes
    (3.6.1, each time): without this the first window of a job would not be shown. So it is prodded until it shows ours.
    """
    root, prod = client.setup.root, client.intern_atom("_HEADLESS_ENV_PROD")
    window = client.create_window(width=1, height=1, events=STRUCTURE)
    client.map_window(window)
    while not any(event.code == Event.MAP_NOTIFY for event in client.events_there()):
        if not manager.is_running():
            raise StartFailed(manager.obituary())
        client.change_property(root, prod, kind=STRING, width=8, data=b"")
        yield PROD_SECONDS
    client.delete_property(root, prod)
    client.unmap_window(window)
    while client.parent(window) != root:  # else its end could be mixed up with a later window
        if client.next_event(0.0) is None:
            yield Readable(client.fileno(), manager)


def _configure(program: str, home: Path) -> list[str]:
    home.mkdir(mode=0o700, exist_ok=True)
    if program == "openbox":
        rules = home / "rc.xml"
        rules.write_text(_OPENBOX)
        return ["openbox", "--sm-disable", "--config-file", str(rules)]
    folder = home / ".fluxbox"  # also where it looks before it has read its arguments
    folder.mkdir(exist_ok=True)
    rules = folder / "init"
    rules.write_text(_FLUXBOX.format(folder=folder))
    (folder / "keys").write_text(_FLUXBOX_KEYS)
    (folder / "style").write_text(_FLUXBOX_STYLE)
    for name in ("apps", "menu", "slitlist"):
        (folder / name).touch()
    return ["fluxbox", "-rc", str(rules), "-no-toolbar", "-no-slit"]


def _is_announced(client: Client, announced: int) -> bool:
    """Whether there is a window manager that is alive."""
    owners = client.get_property(client.setup.root, announced, kind=WINDOW).numbers()
    if not owners:
        return False
    try:
        client.select_events(
            owners[0], PROPERTY_CHANGES
        )  # the mark on its own window may come after that on the root
        return client.get_property(owners[0], announced, kind=WINDOW).numbers() == owners
    except RequestError:
        return False  # left behind by one that died
