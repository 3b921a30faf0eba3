"""`gyre compat check`, where a user runs it: in the shell and on the machine where the client is to work."""

import json

import pytest

from clients import Machine
from gyre import stranger_key

CLIENTS = ["runpod@1.6.1", "runpod@1.12.0", "@runpod/mcp-server@1.1.0", "@runpod/mcp-server@3.4.0"]


def check(machine, client, key, *more, **environment):
    gyre = machine.gyre
    done = machine.run(gyre.binary, "compat", "check", client, "--server", gyre.said["url"], "--address", gyre.address,
                       "--authority", gyre.authority / "gyre-compat-ca.crt", "-o", "json", *more,
                       env={"GYRE_API_KEY": key, **environment})
    findings = json.loads(done.stdout)
    assert done.returncode == (1 if any(one["level"] == "fail" for one in findings) else 0), done.stdout + done.stderr
    assert key not in done.stdout + done.stderr
    return {one["code"] for one in findings if one["level"] == "fail"}, findings


@pytest.fixture(scope="module")
def key(gyre):
    return stranger_key(gyre)


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_printed_is_what_is_checked(gyre, key, client):
    machine = Machine(gyre, client)
    wrong, findings = check(machine, client, key)
    assert not wrong, findings
    assert {"server", "key"} < {one["check"] for one in findings}


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_missing_is_named_with_what_to_do(gyre, key, client):
    machine = Machine(gyre, client)
    variables, machine.environment = machine.environment, {}
    wrong, findings = check(machine, client, key)
    assert wrong == {"compat_variable_missing"}, findings
    told = json.dumps(findings)
    assert all(f"export {name}={value}" in told for name, value in variables.items()), findings


def test_a_name_that_leads_nowhere_or_elsewhere(gyre, key):
    machine = Machine(gyre, "runpod@1.6.1")
    line, machine.hosts = machine.hosts, "127.0.0.1 nothing"
    wrong, findings = check(machine, "runpod@1.6.1", key)
    assert wrong <= {"compat_name_unknown", "compat_name_elsewhere"} and wrong, findings
    machine.hosts = line.replace(gyre.address, "127.0.0.1")  # nobody answers there
    wrong, findings = check(machine, "runpod@1.6.1", key)
    assert wrong == {"compat_name_elsewhere"}, findings


def test_an_authority_that_is_another_or_no_file(gyre, key, tmp_path):
    machine = Machine(gyre, "runpod@1.6.1")
    wrong, findings = check(machine, "runpod@1.6.1", key, REQUESTS_CA_BUNDLE="/etc/ssl/certs/ca-certificates.crt")
    assert wrong == {"compat_not_trusted"}, findings
    wrong, findings = check(machine, "runpod@1.6.1", key, SSL_CERT_FILE=str(tmp_path / "nowhere.crt"))
    assert wrong == {"compat_file_unreadable"}, findings


def test_a_wrong_key_and_a_client_that_cannot_work(gyre):
    machine = Machine(gyre, "runpod@1.12.0")
    wrong, findings = check(machine, "runpod@1.12.0", "rpa_" + "X" * 40)
    assert wrong == {"compat_key_refused"}, findings
    assert "unknown" in gyre.cli("compat", "nobody", "--server", gyre.said["url"], expect=None).stderr
