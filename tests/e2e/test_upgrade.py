"""An upgrade to the release after this one and back, one step at a time, while pods run and requests come.

The release after this one is `gyre_next`: this program with one migration more (tests/upgrade)."""

from gyre import BINARY, image
from servers import Writer, identity, nothing_was_lost

NEXT = BINARY.parent / "gyre_next"
MIGRATED = "9999_next_release"
LIVES_WITH_IT = "the database is a newer version's; this one works with it"


def test_servers_and_agent_go_to_the_next_release_and_back_and_nobody_notices(installation, engine, docker):
    installation.start_agent(engine)
    pod = installation.api.run(image("hello"), name="worker")
    before = identity(docker, pod)
    writer = Writer(installation)
    writer.start()
    writer.goes_on()

    def meanwhile():
        assert identity(docker, pod) == before
        writer.goes_on()

    def log():
        return "".join(server.log.read_text() for server in installation.servers)

    assert MIGRATED not in log()
    installation.restart_each(NEXT, meanwhile)
    assert MIGRATED in log()
    installation.run_agent(engine, NEXT)
    meanwhile()
    made_by_next = installation.api.run(image("hello"), name="made by the next release")
    of_next = identity(docker, made_by_next)
    assert LIVES_WITH_IT not in log()
    # Back: the servers first, so that for a while the agent is the newer one.
    installation.restart_each(BINARY, meanwhile)
    assert LIVES_WITH_IT in log()
    installation.run_agent(engine)
    meanwhile()
    writer.end()
    print(f"acknowledged: {len(writer.acknowledged)}; longest wait: {writer.longest:.2f} s")
    nothing_was_lost(installation, writer)
    for one, containers in ((pod, before), (made_by_next, of_next)):
        assert identity(docker, installation.api.until(one["id"], "running")) == containers
        installation.api.post(f"/v1/pods/{one['id']}/stop")
        installation.api.until(one["id"], "stopped")


def test_a_machine_of_its_own_goes_to_the_next_release_and_back(fresh_gyre, docker):
    fresh_gyre.up()
    pod = fresh_gyre.api.run(image("hello"))
    before = identity(docker, pod)
    for binary in (NEXT, BINARY, NEXT):
        fresh_gyre.down()
        fresh_gyre.binary = binary
        fresh_gyre.up()
        assert identity(docker, fresh_gyre.api.until(pod["id"], "running")) == before
    log = (fresh_gyre.data / "server.log").read_text()
    assert log.count(MIGRATED) == 2, "applied once, and named once by the release that does not know it"
    assert LIVES_WITH_IT in log
