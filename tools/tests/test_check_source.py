"""What the text checks must find, and what they must let through."""
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def check(tmp_path, name, text):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    done = subprocess.run([ROOT / "tools/check_source", "--root", tmp_path, name], capture_output=True, text=True)
    return [line for line in done.stderr.splitlines() if line.startswith(name)], done.returncode


# The patterns that were compiled and seen to free memory twice, and multi-line spellings of them.
@pytest.mark.parametrize(
    "statement, line",
    [
        ("co_await f([copy] { use(copy); });", 1),
        ("co_await f([copy]() mutable { use(copy); });", 1),
        ("co_await take(Options{name, 5});", 1),
        ("co_await take({.a = name});", 1),
        ("co_await take({name});", 1),
        ("co_await take({s1, s2});", 1),
        ("Options o{.a = co_await get(), .b = 1};", 1),
        ("auto p = make_unique<Options>(Options{co_await get()});", 1),
        ("auto x = c ? co_await get() : other;", 1),
        ("co_await take(c ? x() : y());", 1),
        ("auto reply =\n    co_await client.send(\n        {.name = name});", 2),
        ("co_await co_spawn(ex, [p = move(p)]() -> awaitable<void> { co_return; }, use_awaitable);", 1),
    ],
)
def test_a_statement_that_gcc_12_breaks_is_found(tmp_path, statement, line):
    found, status = check(tmp_path, "src/http/x.cpp", f"awaitable<void> f() {{\n{statement}\n}}\n")
    assert status == 1
    assert found and all(entry.startswith(f"src/http/x.cpp:{line + 1}: co_await beside") for entry in found)


@pytest.mark.parametrize(
    "statement",
    [
        "auto fn = [copy] { use(copy); };\n  co_await f(fn);",
        "Options o{name, 5};\n  co_await take(o);",
        "if (co_await ready()) { go(); }",
        "for (auto& x : co_await list()) { use(x); }",
        "for (;;) {\n    const auto n = co_await read(buffer, token);\n    if (n == 0) break;\n  }",
        "try {\n    co_await run();\n  } catch (const Error& e) {\n    log(e);\n  }",
        "if (c) { text = co_await fetch(); } else { text = *cached; }",
        "auto [a, b] = co_await pair();",
        'co_await say("what? {braces} [x] {");',
        "co_await say(x);  // or is it {this}?",
        "switch (kind) {\n    case Kind::a:\n      co_await a();\n      break;\n    default: co_await b();\n  }",
        "co_await take(values[i], array[2]);",
        "auto body = [this]() -> awaitable<void> { co_await run(); };",
        "while (co_await next()) ++count;",
        "co_await take(Money{});  // co_await is fine: Money has a constructor",
    ],
)
def test_a_good_statement_passes(tmp_path, statement):
    found, status = check(tmp_path, "src/http/x.cpp", f"namespace x {{\nawaitable<void> f(int c) {{\n  {statement}\n}}\n}}\n")
    assert (found, status) == ([], 0)


@pytest.mark.parametrize(
    "name, text, sentence",
    [
        ("README.md", "see " + "/wo" + "rk/main/x\n", "a path of one machine"),
        ("tools/x.sh", "cd /" + "tmp/w/x\n", "a path of one machine"),
        ("src/pods/x.cpp", "// TO" + "DO later\n", "unfinished work"),
        ("x.json", '{"a": 1,}\n', "not JSON"),
        ("x.yaml", "a: [1\n", "not YAML"),
        ("x.py", "a = 1 \n", "white space"),
        ("x.py", "a = 1", "no line end"),
    ],
)
def test_what_does_not_belong_in_a_file_is_named(tmp_path, name, text, sentence):
    found, status = check(tmp_path, name, text)
    assert status == 1
    assert any(sentence in entry for entry in found)


def test_paths_that_only_look_alike_pass(tmp_path):
    found, status = check(tmp_path, "README.md", "a/work/b, /workspace, ${root}/root, https://x.example/work/page, /workers\n")
    assert (found, status) == ([], 0)


def test_a_fuzzers_inputs_are_bytes_and_not_text(tmp_path):
    assert check(tmp_path, "fuzz/corpus/json/broken.json", "{ \n no end") == ([], 0)
    assert check(tmp_path, "src/broken.json", "{ \n no end")[1] == 1
