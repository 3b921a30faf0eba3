"""tools/check_migrations: what the release before could not live with is refused."""

import importlib.machinery
import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
loader = importlib.machinery.SourceFileLoader("check_migrations", str(ROOT / "tools/check_migrations"))
check = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_migrations", loader))
loader.exec_module(check)

NOW = (0, 4, 0)


def refused(text):
    return list(check.problems(text, NOW))


def test_the_migrations_of_this_repository_only_expand():
    files = sorted((ROOT / "migrations").glob("*.sql"))
    assert len(files) >= 5
    assert {file.name: refused_ for file in files if (refused_ := list(check.problems(file.read_text(), check.version())))} == {}


@pytest.mark.parametrize("statement", [
    "CREATE TABLE hats (id TEXT PRIMARY KEY, size BIGINT NOT NULL)",
    "CREATE TABLE hats (id TEXT); CREATE UNIQUE INDEX hats_by_id ON hats (id); ALTER TABLE hats RENAME TO caps",
    "CREATE INDEX pods_by_age ON pods (created_at)",
    "ALTER TABLE pods ADD COLUMN hat TEXT",
    "ALTER TABLE pods ADD COLUMN hats BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE pods ALTER COLUMN hat DROP NOT NULL",
    "UPDATE pods SET hats = 0; INSERT INTO hats VALUES ('drop table; rename')",
    "DROP INDEX pods_by_age",
])
def test_what_only_adds_is_taken(statement):
    assert refused(statement + ";") == []


@pytest.mark.parametrize("statement", [
    "DROP TABLE pods",
    "drop table if exists pods",
    "ALTER TABLE pods DROP COLUMN name",
    "ALTER TABLE pods RENAME COLUMN name TO title",
    "ALTER TABLE pods RENAME TO capsules",
    "ALTER TABLE pods\n  ADD COLUMN hat TEXT\n  NOT NULL",
    "ALTER TABLE pods ADD COLUMN hat TEXT UNIQUE",
    "ALTER TABLE pods ADD CONSTRAINT one_hat UNIQUE (hat)",
    "ALTER TABLE pods ALTER COLUMN gpus TYPE TEXT",
    "ALTER TABLE pods ALTER COLUMN hat SET NOT NULL",
    "CREATE UNIQUE INDEX pods_by_name ON pods (name)",
    "DELETE FROM pods",
    "CREATE TRIGGER t AFTER INSERT ON pods BEGIN SELECT 1; END",
])
def test_what_takes_away_or_tightens_is_refused(statement):
    assert refused("CREATE TABLE other (id TEXT);\n" + statement + ";")


def test_a_contraction_says_since_when_nothing_uses_it():
    statement = "ALTER TABLE pods DROP COLUMN name;\n-- readable from 0021"
    assert refused("-- contracts: not used since 0.3.0\n" + statement) == []
    assert refused("-- contracts: not used since 0.4.0\n" + statement), "the release that still runs uses it"
    assert refused("-- contracts: not used since 0.3.0\nSELECT 1;\n" + statement), "the mark is not above it"
    assert refused("-- DROP COLUMN, as nobody needs it\n" + statement)


def test_a_contraction_says_which_schema_can_live_with_it():
    statement = "-- contracts: not used since 0.3.0\nALTER TABLE pods DROP COLUMN name;"
    assert refused(statement)
    assert refused("-- It is readable from 0021\n" + statement), "not a line of its own"
    assert refused("-- readable from 0021\n" + statement) == []


def test_a_mark_that_marks_nothing_is_refused():
    assert refused("-- contracts: not used since 0.3.0\nCREATE TABLE hats (id TEXT);")


def test_lines_are_named():
    assert [line for line, _ in refused("-- why\n\nCREATE TABLE a (b TEXT);\n\nDROP TABLE\n  pods;\n")] == [5]
