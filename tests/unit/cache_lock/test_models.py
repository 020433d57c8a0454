from __future__ import annotations

import re

import pytest

from actionlib.errors import ActionError
from cache_lock.models import parse_manifest

GOOD = "a" * 64


def test_lines_comments_blank_lines_and_urls() -> None:
    text = f"""
    # models of the demo
    small:sha256:{GOOD}

    large/x.bin:sha256:{GOOD.upper()}  https://models.example/x.bin   # the big one
    """
    small, large = parse_manifest(text, "models.txt")
    assert (small.name, small.sha256, small.url) == ("small", GOOD, "")
    assert (large.name, large.sha256, large.url) == ("large/x.bin", GOOD, "https://models.example/x.bin")


@pytest.mark.parametrize(
    ("name", "url", "unpacked"),
    [
        ("vosk", "https://m.example/vosk.zip", True),
        ("vosk.zip", "https://m.example/vosk.zip", False),
        ("m", "https://m.example/m.tar.gz?x=1", True),
        ("m.bin", "https://m.example/m.bin", False),
    ],
)
def test_an_archive_is_unpacked_when_the_name_is_not_one(name: str, url: str, unpacked: bool) -> None:
    (model,) = parse_manifest(f"{name}:sha256:{GOOD} {url}", "m")
    assert model.is_unpacked == unpacked


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("small", "line 2 has no digest: 'small'"),
        ("small:sha256:", "line 2 has no digest"),
        ("small:sha256", "line 2 has no digest"),
        (f"small:md5:{GOOD}", "line 2 uses 'md5'; allowed: sha256"),
        ("small:sha256:abc", "line 2 has the digest 'abc'; allowed: 64 hexadecimal digits"),
        ("small:sha256:a1b2c3d4e5f6...", "allowed: 64 hexadecimal digits"),
        (f"../up:sha256:{GOOD}", "line 2 names '../up'; allowed: a relative path"),
        (f"/etc/x:sha256:{GOOD}", "line 2 names '/etc/x'"),
        (f":sha256:{GOOD}", "line 2 names ''"),
        (f"small:sha256:{GOOD} ftp://x/y", "has the URL 'ftp://x/y'; allowed: http:// or https://"),
        (f"first:sha256:{GOOD}", "names 'first' more than once"),
    ],
)
def test_a_wrong_line_is_named_with_its_number_and_what_is_allowed(line: str, message: str) -> None:
    with pytest.raises(ActionError, match=re.escape(message)):
        parse_manifest(f"first:sha256:{GOOD}\n{line}\n", "models.txt")


def test_an_empty_manifest_is_an_error() -> None:
    with pytest.raises(ActionError, match="names no model"):
        parse_manifest("# nothing\n\n", "models.txt")
