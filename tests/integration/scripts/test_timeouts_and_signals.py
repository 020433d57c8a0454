"""A script whose time is over, or whose step is cancelled, ends with all that it has started."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

from fakes.runner import poll_until


def result_of(entry):
    output, _ = entry.communicate(timeout=60)
    (line,) = [line for line in output.splitlines() if line.startswith("result ")]
    return json.loads(line.removeprefix("result "))


def test_a_script_that_takes_too_long_is_ended_with_all_that_it_started(place):
    result = place.run("sleep 300 & (setsid sleep 300 &) ; sleep 300", timeout_seconds=0.3)
    assert (result.exit_code, result.timed_out, result.survivors) == (124, True, ())
    assert place.alive() == []


def test_what_ignores_the_end_of_the_time_is_reported(place):
    result = place.run(
        "trap '' TERM; touch up; while :; do sleep 0.05; done", timeout_seconds=0.3, grace_seconds=0.2
    )
    assert (result.exit_code, result.timed_out) == (124, True)
    assert "bash" in {one.comm for one in result.survivors}
    assert place.alive() == []


def test_a_script_may_clean_up_when_its_time_is_over(place):
    script = "trap 'touch cleaned; exit 1' TERM; sleep 300 & wait"
    assert place.run(script, timeout_seconds=0.5, grace_seconds=30).survivors == ()
    assert place.exists("cleaned")()


def test_background_processes_of_a_script_that_ended_live_on_and_delay_nothing(place):
    result = place.run("sleep 300 & exit 4", timeout_seconds=100)
    assert (result.exit_code, result.timed_out, result.survivors) == (4, False, ())
    assert result.seconds < 60
    assert len(place.alive()) == 1


def test_our_own_children_survive_a_script_that_is_ended(place):
    other = subprocess.Popen(["sleep", "300"])
    try:
        place.run("sleep 300", timeout_seconds=0.2)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_interrupt_reaches_the_script_and_its_commands_as_at_a_terminal(place):
    script = f"""
{sys.executable} -c 'import signal, sys
signal.signal(signal.SIGINT, lambda *_: (open("child", "w"), sys.exit(3)))
open("up", "w")
signal.pause()' || true
touch after"""
    entry = place.entry("trap 'touch parent; exit 77' INT\n" + script)
    poll_until(place.exists("up"))
    entry.send_signal(signal.SIGINT)
    result = result_of(entry)
    assert (result["exit_code"], result["interrupted_by"]) == (77, signal.SIGINT)
    assert place.exists("child")()
    assert place.exists("parent")()
    assert not place.exists("after")()
    assert place.alive() == []


def test_after_an_interrupt_the_background_processes_are_ended_too(place):
    """A shell without job control lets its background processes ignore SIGINT."""
    # Not `touch up; sleep`: a shell whose command survived the SIGINT goes on.
    waits = f'{sys.executable} -c \'import signal; open("up", "w"); signal.pause()\' 2> /dev/null'
    entry = place.entry(f"sleep 300 & (setsid sleep 300 &); {waits}")
    poll_until(place.exists("up"))
    entry.send_signal(signal.SIGINT)
    result = result_of(entry)
    assert (result["exit_code"], result["interrupted_by"]) == (130, signal.SIGINT)
    assert place.alive() == []


def test_on_sigterm_everything_is_ended(place):
    entry = place.entry("trap '' INT TERM; touch up; while :; do sleep 0.05; done", grace_seconds=0.2)
    poll_until(place.exists("up"))
    entry.send_signal(signal.SIGTERM)
    result = result_of(entry)
    assert (result["exit_code"], result["interrupted_by"]) == (137, signal.SIGTERM)
    assert "bash" in {one["comm"] for one in result["survivors"]}
    assert place.alive() == []


def test_a_script_that_ignores_sigint_still_gets_sigterm(place):
    entry = place.entry("trap 'touch interrupted' INT; touch up; while :; do sleep 0.05 || true; done")
    poll_until(place.exists("up"))
    entry.send_signal(signal.SIGINT)
    poll_until(place.exists("interrupted"))
    assert entry.poll() is None
    entry.send_signal(signal.SIGTERM)
    result = result_of(entry)
    assert (result["exit_code"], result["interrupted_by"]) == (143, signal.SIGTERM)
    assert place.alive() == []


def test_a_script_that_ignores_sigint_ends_even_if_no_sigterm_follows(place):
    entry = place.entry("trap '' INT; touch up; while :; do sleep 0.05; done")
    poll_until(place.exists("up"))
    entry.send_signal(signal.SIGINT)
    result = result_of(entry)
    assert (result["exit_code"], result["interrupted_by"], result["timed_out"]) == (143, signal.SIGINT, False)
    assert place.alive() == []


def test_a_script_dies_with_us_even_if_we_are_killed(place):
    entry = place.entry("echo $$ > pid; mv pid up; exec sleep 300")
    poll_until(place.exists("up"))
    entry.kill()
    entry.communicate(timeout=60)
    poll_until(lambda: place.alive() == [], what="the script's end")


def test_signals_at_any_moment_leave_nothing_behind(place):
    """Also before the script begins and after it has ended; whatever the entry then does, it ends."""
    for pause in range(12):
        entry = place.entry("sleep 0.1")
        time.sleep(0.02 * pause)
        entry.send_signal(signal.SIGINT if pause % 2 else signal.SIGTERM)
        entry.communicate(timeout=60)
        assert place.alive() == []
