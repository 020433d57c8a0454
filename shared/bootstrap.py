"""Start an action: find a Python that is new enough, make sure its environment exists, run its package there.

    bootstrap.py                                    stage one: the action that GITHUB_ACTION_PATH names
    bootstrap.py FOLDER MODULE [ARGUMENT ...]       stage two, in the environment: run MODULE as __main__
    bootstrap.py --repair FOLDER MODULE [...]       stage one again, after a package could not be imported

This is the only file that the host's own Python runs, so its syntax stays that of Python 3.6: an older
interpreter has to get as far as saying that it is too old. It is compiled anew at every start, so what
can wait is in `actionlib.environment`. From here to the action there are only execs: the runner signals
nothing but the process that it started.
"""

import os
import sys

SHARED = os.path.dirname(os.path.abspath(__file__))
OLDEST = (3, 11)
NAMES = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
PROBE = "import sys; print(sys.executable if sys.version_info >= %r else '')" % (OLDEST,)
REPAIRED = "COLDVOX_ACTIONS_ENVIRONMENT_CHECKED"


def say(text):
    # Unbuffered, because an exec would lose what a buffer holds.
    os.write(1, (text + "\n").encode("utf-8", "surrogateescape"))


def fail(text):
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        try:
            with open(summary, "a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError:
            pass  # what is said below says it all
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    say("::error title=coldvox-actions::" + text)
    sys.exit(1)


def execute(python, *arguments):
    options = ["-I", "-X", "utf8"]
    if arguments[:1] == ("-S",):  # before the environment there are no packages that anybody should find
        options.append(arguments[0])
        arguments = arguments[1:]
    os.execv(python, [python, *options, os.path.join(SHARED, "bootstrap.py"), *arguments])  # noqa: S606


def find_newer_python():
    import subprocess

    environ = {name: value for name, value in os.environ.items() if name != "INPUTS"}
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        # A relative entry would be looked up in the workspace.
        for path in [os.path.join(folder, name) for name in NAMES if os.path.isabs(folder)]:
            if not os.access(path, os.X_OK):
                continue
            try:
                # A version manager's shim exists for versions that are not active, and fails.
                found = subprocess.run(
                    [path, "-I", "-S", "-c", PROBE],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=environ,
                    timeout=20,
                ).stdout
            except (OSError, subprocess.SubprocessError):
                continue
            if found.strip():
                return os.fsdecode(found.strip())
    return None


def require_new_python():
    if sys.version_info >= OLDEST:
        return
    newer = find_newer_python()
    version = "%d.%d.%d" % sys.version_info[:3]
    if newer is None:
        fail(
            "the Python on PATH (%s) is version %s; these actions need Python %d.%d or newer, and PATH has "
            "no other. Install one on the runner, or put actions/setup-python before this step."
            % ((sys.executable, version, *OLDEST))
        )
    say("Python %s (%s) is too old for these actions: going on with %s" % (version, sys.executable, newer))
    execute(newer, "-S", *sys.argv[1:])


def find_action():
    """Return the action's folder and the name of its package."""
    given = os.environ.get("GITHUB_ACTION_PATH", "")
    if not given:
        fail(
            "GITHUB_ACTION_PATH is not set, so there is no action to start. "
            "Outside of a workflow, use the command line: coldvox-actions ACTION ..."
        )
    folder = os.path.abspath(given)
    if not os.path.isfile(os.path.join(folder, "action.yml")):
        fail(
            "GITHUB_ACTION_PATH is '%s'; allowed: the folder of an action, which holds an action.yml" % given
        )
    name = os.path.basename(folder)
    package = name[len("action-") :].replace("-", "_")
    if not name.startswith("action-") or not os.path.isfile(os.path.join(folder, package, "__main__.py")):
        fail(
            "the action in %s has no package to run; expected: a folder named action-NAME with "
            "NAME/__main__.py in it (dashes as underscores). Was the repository downloaded whole?" % folder
        )
    return folder, package


def enter(folder, module, arguments=(), *, repair=False):
    """Go on in the environment; build it where it is missing or damaged. Does not return."""
    sys.path.insert(0, SHARED)
    from actionlib import environment
    from actionlib.errors import ActionError

    try:
        for _ in range(3):
            python = environment.ensure(
                os.path.join(SHARED, "requirements.txt"), environ=os.environ, say=say, repair=repair
            )
            try:
                execute(python, folder, module, *arguments)
            except FileNotFoundError:
                continue  # another job has just put a new one in its place
        fail(
            "the environment's interpreter %s vanishes again and again; is something cleaning up there?"
            % python
        )
    except ActionError as error:
        fail(str(error))


def run(folder, module, arguments):
    """Run `module` as __main__ with the action's folder and shared/ first on the path."""
    sys.path[:0] = [SHARED, folder]
    sys.argv[1:] = arguments
    checked = os.environ.pop(REPAIRED, None)
    had_inputs = "INPUTS" in os.environ
    import runpy

    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except ImportError as error:
        package = (error.name or "").split(".")[0]
        ours = package in sys.stdlib_module_names or package in ("actionlib", module.split(".")[0])
        # Once the inputs have been taken the action has begun, and beginning again could do things twice.
        begun = ("INPUTS" in os.environ) != had_inputs
        if ours or begun or checked or not os.path.isfile(os.path.join(sys.prefix, ".complete")):
            raise
        say("Cannot import %s (%s): checking the environment" % (package or "a package", error))
        os.environ[REPAIRED] = "true"
        execute(os.path.realpath(sys.executable), "-S", "--repair", folder, module, *arguments)


def main(arguments):
    require_new_python()
    if not arguments:
        folder, module = find_action()
        enter(folder, module)
    repair = arguments[0] == "--repair"
    folder_module = arguments[1:3] if repair else arguments[:2]
    if len(folder_module) != 2:
        fail("usage: bootstrap.py [[--repair] FOLDER MODULE [ARGUMENT ...]]")
    if repair:
        enter(folder_module[0], folder_module[1], arguments[3:], repair=True)
    run(folder_module[0], folder_module[1], arguments[2:])


if __name__ == "__main__":
    if len(sys.argv) > 2 and sys.argv[1] != "--repair":
        main(sys.argv[1:])  # the action says for itself what an interruption means
    else:
        try:
            main(sys.argv[1:])
        except KeyboardInterrupt:
            say("Interrupted before the action began.")
            sys.exit(130)
