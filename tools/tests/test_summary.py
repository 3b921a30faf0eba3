"""The closing line of ./dev test must never be kinder than the truth."""
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

GTEST = """<testsuites><testsuite name="Pods">
<testcase name="AStoppedPodIsNotCharged" status="run" result="completed" classname="Pods"/>
<testcase name="NeedsDocker" status="run" result="skipped" classname="Contract">
<skipped message="src/engine/x_test.cpp:12&#x0A;no docker here"><![CDATA[src/engine/x_test.cpp:12
no docker here]]></skipped></testcase>
{more}</testsuite></testsuites>"""
FAILURE = '<testcase name="Breaks" classname="Pods"><failure message="x.cpp:3&#x0A;Expected 1">x.cpp:3\nExpected 1</failure></testcase>'


def summary(tmp_path, *options, unit=GTEST.format(more="")):
    results = tmp_path / "results"
    (results / "unit").mkdir(parents=True, exist_ok=True)
    (results / "unit/pods_test.xml").write_text(unit)
    (results / "e2e.xml").write_text('<testsuites><testsuite><testcase classname="e2e" name="a"/></testsuite></testsuites>')
    done = subprocess.run([ROOT / "tools/summary", *options, results], capture_output=True, text=True)
    return done.stdout.splitlines(), done.returncode


def test_what_passed_and_was_skipped_is_added_up(tmp_path):
    lines, status = summary(tmp_path)
    assert (lines[-1], status) == ("2 passed, 0 failed, 1 skipped", 0)


def test_a_failure_fails_and_is_named(tmp_path):
    lines, status = summary(tmp_path, unit=GTEST.format(more=FAILURE))
    assert (lines[-1], status) == ("2 passed, 1 failed, 1 skipped", 1)
    assert "  FAILED unit::Pods.Breaks: Expected 1" in lines


def test_a_skip_fails_where_nothing_may_be_skipped(tmp_path):
    lines, status = summary(tmp_path, "--no-skips")
    assert (lines[-1], status) == ("2 passed, 1 failed, 0 skipped", 1)


def test_a_skip_that_the_list_allows_stays_a_skip(tmp_path):
    (tmp_path / "allowed.txt").write_text("# comment\nunit::Contract.NeedsDocker: no docker   # why\n")
    lines, status = summary(tmp_path, "--no-skips", "--allowed", tmp_path / "allowed.txt")
    assert (lines[-1], status) == ("2 passed, 0 failed, 1 skipped", 0)


def test_a_runner_that_crashed_is_a_failure_although_its_file_shows_none(tmp_path):
    lines, status = summary(tmp_path, "--failed", "unit")
    assert (lines[-1], status) == ("2 passed, 1 failed, 1 skipped", 1)


def test_a_runner_that_wrote_nothing_is_a_failure(tmp_path):
    lines, status = summary(tmp_path, "--failed", "tools")
    assert (lines[-1], status) == ("2 passed, 1 failed, 1 skipped", 1)


def test_half_a_file_is_a_failure(tmp_path):
    lines, status = summary(tmp_path, unit="<testsuites><testsuite>")
    assert (lines[-1], status) == ("1 passed, 1 failed, 0 skipped", 1)


def test_no_test_at_all_is_a_failure(tmp_path):
    (tmp_path / "empty").mkdir()
    done = subprocess.run([ROOT / "tools/summary", tmp_path / "empty"], capture_output=True, text=True)
    assert (done.stdout.splitlines()[-1], done.returncode) == ("0 passed, 1 failed, 0 skipped", 1)
