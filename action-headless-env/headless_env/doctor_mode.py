"""Mode `doctor`: what this host lacks for these settings, with the commands that install it. Changes nothing."""

from __future__ import annotations

from actionlib.entrypoint import EXIT_USER_ERROR, Context, Result
from actionlib.summary import code, escape_cell
from headless_env.host_tools import install_lines, missing, read_os_release, wanted_by
from headless_env.inputs import Settings
from headless_env.tool_table import Tool, find_tool


def diagnose(context: Context, settings: Settings) -> Result:
    """Exit code 0 when an environment with these settings can start here, else 1."""
    path = context.environ.get("PATH", "")
    wanted = wanted_by(settings, window_manager=settings.window_manager, audio=settings.audio)
    needed, optional = missing(wanted.needed, path=path), missing(wanted.optional, path=path)
    lacking = {tool.name for tool in (*needed, *optional)}
    rows = [
        (name, find_tool(name).reason, absence if name in lacking else "there")
        for names, absence in ((wanted.needed, "missing"), (wanted.optional, "missing, not needed"))
        for name in names
    ]
    context.summary.heading("What this host has for headless environments")
    context.summary.table(
        ("tool", "", "for"),
        [(code(name), escape_cell(state), escape_cell(reason)) for name, reason, state in rows],
    )
    for name, reason, state in rows:
        context.out.say(f"{name:<16} {state:<20} {reason}")
    _tell(context, needed, optional)
    facts = {
        "missing": [tool.name for tool in needed],
        "missing-optional": [tool.name for tool in optional],
        "install": install_lines([*needed, *optional], os_release=read_os_release()).splitlines(),
    }
    return Result({}, EXIT_USER_ERROR if needed else 0, facts)


def _tell(context: Context, needed: list[Tool], optional: list[Tool]) -> None:
    """One message for each kind, with the commands."""
    os_release = read_os_release()
    if optional:
        lines = install_lines(optional, os_release=os_release)
        context.out.notice(
            f"what could also be used or verified with more tools:\n{lines}", title="Headless environment"
        )
        context.summary.details("Install what is optional", lines)
    if needed:
        lines = install_lines(needed, os_release=os_release)
        names = ", ".join(tool.name for tool in needed)
        context.out.error(
            f"this host lacks {names}. Install them on the runner's host:\n{lines}",
            title="Headless environment",
        )
        context.summary.details("Install what is needed", lines)
    else:
        context.out.say("This host has all that these settings need.")
