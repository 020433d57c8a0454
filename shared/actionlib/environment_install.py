"""Installing the locked packages with what the host has: uv, its own pip, a pip wheel, or a fetched one.

Wheels only and by digest only, so neither a workspace's configuration nor a mirror can slip other code in.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from actionlib.errors import ActionError

INSTALL_SECONDS = 600.0
CHECK_SECONDS = 60.0
SHOWN_LINES = 40
PR_SET_PDEATHSIG = 1  # prctl(2)

# Where packages come from is the host's to say. What else these programs read from their variables (targets,
# constraints, build options) is meant for the user's own installations and would spoil this one.
KEPT_SETTINGS = re.compile(
    r"PIP_(INDEX_URL|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|TRUSTED_HOST|CERT|CLIENT_CERT|PROXY|CACHE_DIR|NO_CACHE_DIR"
    r"|CONFIG_FILE|DEFAULT_TIMEOUT|TIMEOUT|RETRIES|KEYRING_PROVIDER)"
    r"|UV_(CACHE_DIR|NO_CACHE|INDEX.*|DEFAULT_INDEX|EXTRA_INDEX_URL|FIND_LINKS|NO_INDEX|OFFLINE|HTTP_.*|NATIVE_TLS"
    r"|SYSTEM_CERTS|INSECURE_HOST|KEYRING_PROVIDER|CONFIG_FILE|NO_CONFIG|CONCURRENT_.*|REQUEST_TIMEOUT|LINK_MODE)"
)

# Loading resolves every symbol, which is where a package for another libc or Python fails.
LOAD_EXTENSIONS = """
import ctypes, os, sys
for folder, _, names in os.walk(sys.argv[1]):
    for name in names:
        if name.endswith(".so"):
            ctypes.PyDLL(os.path.join(folder, name), os.RTLD_NOW)
import yaml
yaml.CSafeLoader
"""

NETWORK = (
    "Check the network: HTTPS_PROXY, the index (PIP_INDEX_URL, UV_INDEX_URL), PIP_CERT or SSL_CERT_FILE; or fill "
    "the tool cache while there is a network"
)
WHEELS = "There may be no wheel for this Python ({python}) here; actions/setup-python can bring Python 3.11 to 3.14"
ADVICE = (
    (r"no space left|os error 28|disk quota", "Free space on the file system of {folder}"),
    (
        r"hash mismatch|do not match the hashes|mismatched hash",
        "The index serves other files than the lock file names: check PIP_INDEX_URL, UV_INDEX_URL and any "
        "mirror or proxy between",
    ),
    (
        r"connect|resolve host|name resolution|dns error|timed out|network|tunnel|certificate|tls|proxy",
        NETWORK,
    ),
    # What pip says both when an index does not answer and when it has only files for others.
    (r"from versions: none", f"{NETWORK}. {WHEELS}"),
    (r"no matching distribution|no solution found|no usable wheels|only-binary|no wheels", WHEELS),
)


class InstallError(Exception):
    """One way of installing has failed; `output` is what it printed."""

    def __init__(self, program: str, output: str) -> None:
        super().__init__(program)
        self.program = program
        self.output = output


@dataclass(frozen=True, slots=True, kw_only=True)
class Installer:
    """Fills the environment whose interpreter is `python`.

    `keep_open` is the build lock's descriptor. Installers inherit it, so that the lock is not free before
    they are gone too, should we be killed.
    """

    python: str
    requirements: str
    environ: Mapping[str, str]
    say: Callable[[str], None]
    keep_open: int

    def install(self) -> str:
        """Install the locked packages; returns with what. Raises ActionError."""
        failure: InstallError | None = None
        if uv := _find_program("uv", self.environ):
            try:
                self._install_with_uv(uv)
            except InstallError as error:
                if _advise(error.output) in (ADVICE[0][1], ADVICE[1][1]):
                    self._give_up(error)
                why = _last_line(error.output)
                self.say(
                    f"uv could not install the packages ({why}): trying pip, which is configured apart from it"
                )
                failure = error
            else:
                return "uv"
        try:
            from actionlib import environment_pip  # urllib and ssl take 60 ms

            pip = environment_pip.find_pip(self._stage(), environ=self.environ, say=self.say)
            self._run("pip", [self.python, "-I", pip, *_pip_arguments(self.requirements)], INSTALL_SECONDS)
        except InstallError as error:
            if failure is not None:
                self._quote(failure)
            self._give_up(error)
        return "pip"

    @contextlib.contextmanager
    def check_extensions(self, packages: str) -> Iterator[None]:
        """Load every compiled extension below `packages` while the caller does its part."""
        process = self._start([self.python, "-I", "-c", LOAD_EXTENSIONS, packages])
        with _ended(process):
            yield
            output, _ = process.communicate(timeout=CHECK_SECONDS)
            if process.returncode:
                self._quote(InstallError("the check", output))
                raise ActionError(
                    f"the packages were installed but do not work here: {_last_line(output)}",
                    hint="Is the folder's file system mounted noexec, or the libc too old for these wheels?",
                )

    def _install_with_uv(self, uv: str) -> None:
        command = [
            uv,
            "pip",
            "install",
            "--python",
            self.python,
            "--require-hashes",
            "--no-deps",
            "--no-progress",
        ]
        command += ["--only-binary", ":all:", "--requirement", self.requirements]
        try:
            # What uv's cache holds needs no network and no question to the index: twice as fast, and the
            # digests vouch for the files.
            self._run("uv", [*command, "--offline"], INSTALL_SECONDS)
        except InstallError:
            self._run("uv", command, INSTALL_SECONDS)

    def _run(self, program: str, command: Sequence[str], seconds: float) -> None:
        begin = time.monotonic()
        try:
            process = self._start(command)
        except OSError as error:
            raise InstallError(program, f"{command[0]}: {error.strerror}\n") from error
        with _ended(process):
            try:
                output, _ = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired as error:
                text = f"timed out after {time.monotonic() - begin:.0f} s\n"
                raise InstallError(program, text) from error
        if process.returncode:
            raise InstallError(program, output or f"exit code {process.returncode}\n")

    def _start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        parent = os.getpid()
        prctl = ctypes.CDLL(None).prctl

        def die_with_parent() -> None:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # it was killed before the kernel knew of our wish
                os._exit(1)

        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=child_environment(self.environ),
            # uv looks for configuration from here upwards: not in the workspace.
            cwd=self._stage(),
            pass_fds=(self.keep_open,),
            preexec_fn=die_with_parent,  # this process has one thread
        )

    def _stage(self) -> str:
        return os.path.dirname(os.path.dirname(self.python))

    def _give_up(self, error: InstallError) -> NoReturn:
        self._quote(error)
        folder = os.path.dirname(self._stage())
        hint = _advise(error.output).format(folder=folder, python=os.path.realpath(self.python))
        raise ActionError(
            f"the actions' packages could not be installed: {error.program}: {_last_line(error.output)}",
            hint=hint or "The log has what the installer printed",
        ) from error

    def _quote(self, error: InstallError) -> None:
        """Show the end of a program's output, folded, no line of it able to act as a workflow command."""
        token = os.urandom(16).hex()
        lines = error.output.splitlines()[-SHOWN_LINES:]
        title = f"::group::Last lines of what {error.program} printed"
        self.say("\n".join((title, f"::stop-commands::{token}", *lines, f"::{token}::", "::endgroup::")))


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without the action's inputs (there may be a token) and what would mislead an installer."""
    return {
        name: value
        for name, value in environ.items()
        if name != "INPUTS"
        and not name.startswith("PYTHON")
        and (not name.startswith(("PIP_", "UV_")) or KEPT_SETTINGS.fullmatch(name))
    }


def _pip_arguments(requirements: str) -> list[str]:
    arguments = [
        "install",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--no-deps",
        "--no-compile",
        "--no-user",
    ]
    arguments += [
        "--no-input",
        "--disable-pip-version-check",
        "--no-warn-script-location",
        "--progress-bar",
        "off",
    ]
    return [*arguments, "--requirement", requirements]


@contextlib.contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """See to it that `process` is gone afterwards, whatever happens."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _find_program(name: str, environ: Mapping[str, str]) -> str | None:
    """Look on PATH, but not in relative entries: they would be looked up in the workspace."""
    folders = [folder for folder in environ.get("PATH", "").split(os.pathsep) if os.path.isabs(folder)]
    return shutil.which(name, path=os.pathsep.join(folders)) if folders else None


def _advise(output: str) -> str:
    return next((advice for pattern, advice in ADVICE if re.search(pattern, output, re.IGNORECASE)), "")


def _last_line(output: str) -> str:
    return next(
        (line.strip() for line in reversed(output.splitlines()) if line.strip()), "it printed nothing"
    )
