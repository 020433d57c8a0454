"""The whole pipeline with a mistake in the features and a desktop test that fails: its summaries name both."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from e2e.act import ROOT, Act, make_repository, rust_options, stand_ins

pytestmark = pytest.mark.skipif(
    shutil.which("cargo") is None or shutil.which("Xvfb") is None, reason="needs cargo and Xvfb on PATH"
)
PIPELINE = "examples/workflows/coldvox-ci.yml"
BROKEN = '#[cfg(all(feature = "whisper", not(feature = "vosk")))]\ncompile_error!("whisper leans on vosk");\n'


@pytest.fixture
def summaries(act: Act, tmp_path: Path) -> list[str]:
    repository = make_repository(tmp_path / "repo", {}, with_actions=True)
    ignored = shutil.ignore_patterns("target")
    shutil.copytree(ROOT / "examples", repository / "examples", ignore=ignored)
    broken = repository / "examples/voice-app/crates/coldvox-stt/src/lib.rs"
    broken.write_text(broken.read_text() + BROKEN)
    workflow = (repository / PIPELINE).read_text()
    expected = "COLDVOX_SPOKEN: start yes\n"
    assert workflow.count(expected) == 1
    (repository / PIPELINE).write_text(workflow.replace(expected, "COLDVOX_SPOKEN: stop no\n"))
    told = tmp_path / "summaries"
    run = act.run(
        repository,
        f"--workflows={PIPELINE}",
        f"--env=COLDVOX_ACTIONS_SUMMARY_DIR={told}",
        f"--env=MODELS={repository / 'examples/voice-app/models'}",
        *stand_ins(tmp_path, workflow.replace("actions/checkout@", "checked-out@")),
        *rust_options(),
    )
    assert run.exit_code != 0, run.log[-3000:]
    return [path.read_text() for path in sorted(told.rglob("*.md"))]


def test_the_one_summary_says_what_failed_and_the_jobs_summaries_name_it(summaries: list[str]):
    (result,) = [text for text in summaries if text.startswith("### ColdVox CI")]
    assert result.startswith("### ColdVox CI: features failure, desktop failure")
    assert "| failure | the jobs' summaries name what fails |" in result
    assert "each combination checked" not in result
    assert "tests typed, spoke and listened" not in result
    assert "| the_words_that_the_microphone_says_are_recognised failed: " in result
    features = "\n".join(text for text in summaries if "whisper leans on vosk" in text)
    assert "coldvox-stt" in features
    (desktop,) = [text for text in summaries if text.startswith("### Headless environment")]
    assert "exit code 101" in desktop
