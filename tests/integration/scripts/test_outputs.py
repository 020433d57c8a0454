"""What a script writes to GITHUB_OUTPUT, read as the runner reads it."""

from __future__ import annotations

import pytest

from actionlib.errors import ActionError
from actionlib.key_values import parse_key_values


def test_what_a_script_writes_to_github_output_comes_back(place):
    script = """
echo "first=1" >> "$GITHUB_OUTPUT"
echo "empty=" >> "$GITHUB_OUTPUT"
{ echo "many<<END"; echo "a=b"; echo; echo "c<<d"; echo END; } >> "$GITHUB_OUTPUT"
echo "first=2" >> "$GITHUB_OUTPUT"
"""
    assert place.run(script).outputs == {"first": "2", "empty": "", "many": "a=b\n\nc<<d"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("\n\n", {}),
        ("a=1", {"a": "1"}),
        ("a=b=c\n", {"a": "b=c"}),
        ("a=x<<y\n", {"a": "x<<y"}),
        ("a<<E=1\nv\nE=1\n", {"a": "v"}),
        ("a<<E\nE\n", {"a": ""}),
        ("a<<E\n\nE\n", {"a": ""}),
        ("a<<E\n\n\nE\nb=2", {"a": "\n", "b": "2"}),
        ("a<<E\n E\nE\n", {"a": " E"}),
        (" a =1 \n", {" a ": "1 "}),
        ("a=1\r\n", {"a": "1\r"}),
    ],
)
def test_output_lines_are_read_as_the_runner_reads_them(text, expected):
    assert parse_key_values(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a=1\nnonsense\n", "line 2 .*'nonsense'"),
        ("=1\n", "line 1 "),
        ("<<E\nx\nE\n", "line 1 .*name and a delimiter"),
        ("a<<\nx\n", "line 1 .*name and a delimiter"),
        ("a=1\nb<<END\nx\ny\n", "line 2 .*'END' never comes"),
        ("b<<END\nx\nEND \n", "line 1 .*'END' never comes"),
        ("x" * 500, r"line 1 .*xxx\.\.\.'"),
    ],
)
def test_a_malformed_output_line_is_named(text, message):
    with pytest.raises(ActionError, match=message):
        parse_key_values(text)


def test_malformed_outputs_fail_a_script_that_succeeded(place):
    with pytest.raises(ActionError, match="line 1 that the script wrote to GITHUB_OUTPUT"):
        place.run('echo nonsense > "$GITHUB_OUTPUT"')


def test_malformed_outputs_do_not_hide_the_failure_of_a_script(place):
    result = place.run('echo nonsense > "$GITHUB_OUTPUT"; exit 5')
    assert (result.exit_code, result.outputs) == (5, {})


@pytest.mark.parametrize("script", ['rm "$GITHUB_OUTPUT"', 'printf "\\xff=\\xfe\\n" >> "$GITHUB_OUTPUT"'])
def test_a_strange_output_file_is_no_crash(place, script):
    assert place.run(script).exit_code == 0
