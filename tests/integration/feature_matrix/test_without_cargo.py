"""Without cargo, the manifests alone say the same: members, features and dependencies, as the real cargo sees them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from actionlib.errors import ActionError
from fakes.cargo import needs_cargo
from feature_matrix.manifests import Workspace, read_workspace

PACKAGE = '[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n'
VIRTUAL = '[workspace]\nresolver = "2"\n'


def write(folder: Path, manifests: dict[str, str]) -> Path:
    """Crates by their folders, named like these; what begins with VIRTUAL is a manifest without a package."""
    for name, more in manifests.items():
        place = folder / name
        place.mkdir(parents=True)
        if more.startswith(VIRTUAL):
            (place / "Cargo.toml").write_text(more)
            continue
        (place / "src").mkdir()
        (place / "src/lib.rs").touch()
        (place / "Cargo.toml").write_text(PACKAGE.format(name=place.name) + more)
    return folder


def read(manifest: Path, *, cargo: bool) -> Workspace:
    found = [
        one for one in os.environ["PATH"].split(os.pathsep) if cargo or not (Path(one) / "cargo").exists()
    ]
    return read_workspace(manifest, environ={**os.environ, "PATH": os.pathsep.join(found)})


LAYOUTS = {
    "inherited path": {
        "top": VIRTUAL + 'members = ["crates/app"]\n[workspace.dependencies]\n'
        'foo = { path = "foo", default-features = false, features = ["one"] }\n',
        "top/foo": "[features]\ndefault = []\none = []\ntwo = []\n",
        "top/crates/app": '[dependencies]\nfoo = { workspace = true, features = ["two"], optional = true }\n',
    },
    "inherited default features": {
        "top": VIRTUAL + 'members = ["*"]\n[workspace.dependencies]\nfoo = { path = "foo" }\n'
        'bar = { path = "bar", default-features = false }\n',
        "top/foo": "",
        "top/bar": "",
        "top/app": "[dependencies]\nfoo = { workspace = true, default-features = false }\n"
        "bar = { workspace = true, default-features = true }\n",
    },
    "renamed": {
        "top": VIRTUAL
        + 'members = ["app"]\n[workspace.dependencies]\nshort = { path = "foo", package = "foo" }\n',
        "top/foo": "[features]\nfast = []\n",
        "top/app": '[dependencies]\nshort = { workspace = true, optional = true }\n[features]\nf = ["short?/fast"]\n',
    },
    "path dependencies are members": {
        "top": VIRTUAL + 'members = ["a"]\nexclude = ["c"]\n',
        "top/a": '[dependencies]\nb = { path = "../b" }\nc = { path = "../c" }\n[dev-dependencies]\nd.path = "../d"\n',
        "top/b": "[target.'cfg(windows)'.dependencies]\ne = { path = \"../e\" }\n",
        "top/c": "",
        "top/d": "",
        "top/e": "",
    },
    "no workspace": {"top": '[dependencies]\ninner = { path = "inner" }\n', "top/inner": ""},
    "another package of a member's name": {
        "top": VIRTUAL + 'members = ["app"]\nexclude = ["old"]\n[workspace.package]\nversion = "0.1.0"\n',
        "top/old/app": "",
        "top/app": '[dependencies]\nold = { package = "app", path = "../old/app" }\n'
        '[dev-dependencies]\nhelp = { path = "../help", features = ["f"] }\n',
        "top/help": "[features]\nf = []\n",
    },
    "all kinds of values": {
        "top": "[features]\ndefault = ['a']\na = ['dep:q', 'q?/f', 'd/f', 'r', 'r/f', 't/f', 'default']\n"
        "[dependencies]\nq = { path = '../x', package = 'x', optional = true }\n"
        "d = { path = '../x', package = 'x' }\n[build-dependencies]\n"
        "r = { path = '../x', package = 'x', optional = true }\n[dev-dependencies]\n"
        "t = { path = '../x', package = 'x' }\n",
        "x": "[features]\nf = []\n",
    },
    "root package": {
        "top": '[workspace]\nmembers = ["m"]\n[dependencies]\nout = { path = "../out" }\n',
        "top/m": "",
        "out": "",
    },
    "excluded": {
        "top": VIRTUAL + 'members = ["m/*", "x/y"]\nexclude = ["m/e", "x"]\n',
        "top/m/e": "",
        "top/m/f": "",
        "top/x/y": "",
        "top/x/z": "",
    },
    "inherited rust-version": {
        "top": VIRTUAL + 'members = ["a", "b"]\n[workspace.package]\nrust-version = "1.70"\n',
        "top/a": "rust-version.workspace = true\n",
        "top/b": 'rust-version = "1.60"\n',
    },
}


@needs_cargo
@pytest.mark.parametrize("layout", LAYOUTS)
def test_members_and_dependencies_are_those_that_cargo_sees(tmp_path, layout):
    manifest = write(tmp_path, LAYOUTS[layout]) / "top/Cargo.toml"
    with_cargo, without = read(manifest, cargo=True), read(manifest, cargo=False)
    assert list(without.crates) == list(with_cargo.crates)
    assert without.crates == with_cargo.crates
    assert without.root == with_cargo.root
    assert (with_cargo.source, without.source) == ("cargo metadata", "Cargo.toml")


@needs_cargo
def test_a_members_manifest_stands_for_its_workspace(tmp_path):
    manifest = write(tmp_path, LAYOUTS["inherited path"]) / "top/crates/app/Cargo.toml"
    with_cargo, without = read(manifest, cargo=True), read(manifest, cargo=False)
    assert (without.root, without.crates) == (with_cargo.root, with_cargo.crates)


@needs_cargo
def test_an_absolute_pattern_names_members(tmp_path):
    manifest = (
        write(tmp_path, {"top": VIRTUAL + f'members = ["{tmp_path}/top/*"]\n', "top/a": ""})
        / "top/Cargo.toml"
    )
    assert read(manifest, cargo=False).crates == read(manifest, cargo=True).crates != {}


@needs_cargo
@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("", "Cargo.toml: no manifest; allowed: one with a table [package] or [workspace]"),
        ("package = 1\n", "Cargo.toml:1: 'package' is 1; allowed: a table"),
        ("[package]\nversion = '0.1.0'\n", "'package.name' is missing"),
        (
            "[package]\nname = 'a;id'\n",
            "Cargo.toml:2: 'package.name' has the name 'a;id'; allowed: letters, digits",
        ),
        (
            "[workspace]\nmembers = [1]\n",
            "Cargo.toml:2: 'workspace.members' is [1]; allowed: a list of texts",
        ),
        ("[workspace]\nmembers = 'a'\n", "'workspace.members' is \"a\"; allowed: a list of texts"),
        (
            "[workspace]\nmembers = ['absent']\n",
            "Cargo.toml:2: 'workspace.members' names 'absent', and there is no ",
        ),
        ("[workspace]\nmembers = ['no/*']\n", "'workspace.members' names 'no/*', and there is no "),
        ("{p}[features]\na = 3\n", "Cargo.toml:6: 'features.a' is 3; allowed: a list of texts"),
        (
            "{p}[features]\n'a b;id' = []\n",
            "Cargo.toml:6: 'features.a b;id' has the name 'a b;id'; allowed: letters",
        ),
        ("features = 3\n{p}", "Cargo.toml:1: 'features' is 3; allowed: a table"),
        ("{p}[target]\ny = 3\n", "Cargo.toml:6: 'target.y' is 3; allowed: a table"),
        ("{p}[dependencies]\nx = 3\n", "Cargo.toml:6: 'dependencies.x' is 3; allowed: a table or a text"),
        ("{p}[dependencies]\nx = {{ path = 3 }}\n", "'dependencies.x.path' is 3; allowed: a text"),
        (
            "{p}[workspace]\n[dependencies]\nx = {{ path = 'x' }}\n",
            "Cargo.toml:7: 'x' names 'x', and there is no ",
        ),
        (
            "{p}[features]\nb = []\na = ['zz']\n",
            "Cargo.toml:7: 'features.a' holds 'zz', which is no feature and no optional dependency; allowed: b",
        ),
        (
            "{p}[features]\na = ['dep:q']\n",
            "'features.a' holds 'dep:q', which is no optional dependency; allowed: n",
        ),
        ("{p}[features]\na = ['q/z']\n", "holds 'q/z', which is no feature of a dependency; allowed: none"),
        (
            "{p}[features]\na = ['q?/z']\n[dependencies]\nq = '1'\np = {{ version = '1', optional = true }}\n",
            "'features.a' holds 'q?/z', which is no feature of an optional dependency; allowed: p",
        ),
        (
            "{p}[features]\na = ['dep:q']\nb = ['q']\n[dependencies]\nq = {{ version = '1', optional = true }}\n",
            "Cargo.toml:7: 'features.b' holds 'q', which is hidden by 'dep:q'; allowed: 'dep:q'",
        ),
        (
            "{p}[features]\na = ['q']\n[dev-dependencies]\nq = '1'\n",
            "'features.a' holds 'q', which is no feature",
        ),
        (
            "{p}[[bin]]\nname = 'b'\nrequired-features = 'a'\n",
            'required-features\' is "a"; allowed: a list of texts',
        ),
    ],
)
def test_what_cargo_refuses_is_refused_without_it_with_line_and_value(tmp_path, manifest, said):
    path = write(tmp_path, {"top": ""}) / "top/Cargo.toml"
    path.write_text(manifest.format(p=PACKAGE.format(name="top")))
    with pytest.raises(ActionError, match="cargo metadata refuses"):
        read(path, cargo=True)
    with pytest.raises(ActionError) as caught:
        read(path, cargo=False)
    assert said in str(caught.value)


@needs_cargo
def test_a_crate_that_its_workspace_does_not_have_is_refused(tmp_path):
    manifest = write(tmp_path, {"top": VIRTUAL, "top/stray": ""}) / "top/stray/Cargo.toml"
    with pytest.raises(ActionError, match="cargo metadata refuses"):
        read(manifest, cargo=True)
    with pytest.raises(ActionError, match=r"stray/Cargo\.toml: no member of the workspace .*top/Cargo\.toml"):
        read(manifest, cargo=False)
