"""`deps` as a step: what the real cargo resolves for all features together."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.cargo import TOOLCHAIN, needs_cargo, write_crate

pytestmark = needs_cargo


@pytest.fixture
def deps(matrix):
    def run(**inputs):
        return matrix(mode="deps", environ=TOOLCHAIN, **inputs)

    return run


def outside(folder: Path, name: str, version: str, manifest: str = "") -> None:
    """A library that is no member, of this version."""
    write_crate(folder, f"{manifest}\n[workspace]\n", name=name)
    path = folder / "Cargo.toml"
    path.write_text(path.read_text().replace("0.1.0", version))


def two_versions(workspace: Path) -> None:
    outside(workspace / "vendor/codec-1", "codec", "1.2.0")
    outside(workspace / "vendor/codec-2", "codec", "2.0.1")
    write_crate(
        workspace,
        '[dependencies]\nold = { package = "codec", path = "vendor/codec-1" }\n'
        'new = { package = "codec", path = "vendor/codec-2", optional = true }\n'
        '[workspace]\nexclude = ["vendor"]\n',
    )


def test_a_package_in_two_versions_is_told_with_the_tree_that_brings_it(workspace, deps):
    two_versions(workspace)
    step = deps()
    assert step.exit_code == 0, step.log
    assert step.outputs["findings"] == "1"
    assert step.warnings == ["codec is built in 2 versions: 1.2.0, 2.0.1"]
    assert step.facts["duplicates"] == {"codec": ["1.2.0", "2.0.1"]}
    assert "codec v2.0.1" in step.summary  # only with the optional dependency


def test_fail_on_warning_makes_it_fail(workspace, deps):
    two_versions(workspace)
    assert deps(**{"fail-on": "warning"}).exit_code == 1


def test_one_version_of_everything_is_no_finding(workspace, deps):
    write_crate(workspace)
    step = deps(**{"fail-on": "warning"})
    assert step.exit_code == 0, step.log
    assert step.outputs["findings"] == "0"
    assert step.facts["packages"] == 1


def test_two_packages_that_link_the_same_library_are_an_error_with_cargos_reason(workspace, deps):
    for name in ("sound", "noise"):
        outside(workspace / "vendor" / name, name, "1.0.0", manifest='links = "asound"\nbuild = "build.rs"')
        (workspace / "vendor" / name / "build.rs").write_text("fn main() {}\n")
    write_crate(
        workspace,
        "[dependencies]\n"
        + "".join(f'{name} = {{ path = "vendor/{name}", optional = true }}\n' for name in ("sound", "noise"))
        + '[workspace]\nexclude = ["vendor"]\n',
    )
    text = deps().error()
    assert "two packages link the same native library" in text
    assert "asound" in text


def test_members_that_link_the_same_library_are_named(workspace, deps):
    for name in ("sound", "noise"):
        write_crate(workspace / name, 'links = "asound"\nbuild = "build.rs"\n', name=name)
        (workspace / name / "build.rs").write_text("fn main() {}\n")
    (workspace / "Cargo.toml").write_text('[workspace]\nmembers = ["sound", "noise"]\nresolver = "2"\n')
    text = deps().error()
    assert "the members sound and noise link the same native library 'asound'" in text
    assert "Make one of them no member" in text


def test_the_libraries_that_are_linked_are_listed(workspace, deps):
    write_crate(workspace, 'links = "asound"\nbuild = "build.rs"')
    (workspace / "build.rs").write_text("fn main() {}\n")
    step = deps()
    assert step.facts["links"] == {"asound": "sample"}


def test_a_lock_file_that_does_not_fit_is_told_and_left_as_it_is(workspace, deps):
    two_versions(workspace)
    (workspace / "Cargo.lock").write_text("version = 3\n")
    text = deps().error()
    assert "--locked" in text
    assert (workspace / "Cargo.lock").read_text() == "version = 3\n"


def test_what_is_not_built_beside_another_version_is_no_duplicate(workspace, deps):
    """Development dependencies and those for other targets."""
    outside(workspace / "vendor/codec-1", "codec", "1.2.0")
    outside(workspace / "vendor/codec-2", "codec", "2.0.1", manifest='links = "codec"\nbuild = "build.rs"')
    (workspace / "vendor/codec-2/build.rs").write_text("fn main() {}\n")
    write_crate(
        workspace,
        '[dependencies]\nold = { package = "codec", path = "vendor/codec-1" }\n'
        '[dev-dependencies]\nnew = { package = "codec", path = "vendor/codec-2" }\n'
        '[target.\'cfg(windows)\'.dependencies]\nnew = { package = "codec", path = "vendor/codec-2" }\n'
        '[workspace]\nexclude = ["vendor"]\n',
    )
    step = deps(**{"fail-on": "warning"})
    assert step.exit_code == 0, step.log
    assert (step.facts["packages"], step.facts["duplicates"], step.facts["links"]) == (2, {}, {})


def test_two_versions_of_which_one_builds_the_other_crate_are_told(workspace, deps):
    two_versions(workspace)
    manifest = workspace / "Cargo.toml"
    manifest.write_text(manifest.read_text().replace("new =", "[build-dependencies]\nnew ="))
    assert deps().facts["duplicates"] == {"codec": ["1.2.0", "2.0.1"]}


def test_only_chosen_crates_count(workspace, deps):
    two_versions(workspace)
    manifest = workspace / "Cargo.toml"
    manifest.write_text(manifest.read_text() + 'members = ["plain"]\n')
    write_crate(workspace / "plain", name="plain")
    assert deps().outputs["findings"] == "1"
    step = deps(packages="plain")
    assert (step.outputs["findings"], step.facts["packages"]) == ("0", 1)
