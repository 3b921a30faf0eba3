"""The API's document against the API: every example in it is executed, and what comes back has the form it says.

Each operation is called with what it must have, and then once more for each thing it may have, with the example that
the document gives. Where an example names something, the name of a real one is put in its place.
"""

import datetime
import hashlib
import itertools
import json
import re
import secrets
import sqlite3
import subprocess
import time

import jsonschema
import pytest
import requests

from fixtures import started
from gyre import image

# Where an example needs company: what else is sent with it.
COMPANY = {
    ("CreatePod", "bidPerGpu"): {"interruptible": True},
    ("CreatePod", "memoryInGb"): {"computeType": "CPU"},
    ("UpdateMachineType", "gpuTypeId"): {"gpuCount": 1},
    ("CreatePodV2", "cpu"): {"gpu": None},
    ("CreateEndpointV2", "cpu"): {"gpu": None},
    ("ImageCheckInput", "containerRegistryAuthId"): {"registry": "DOCKER_HUB"},
}
# What these cannot do without, though the document cannot say so: one of several would do.
NEEDED = {
    "CreatePod": ("imageName",), "TemplateCreateInput": ("name", "imageName"), "EndpointCreateInput": ("templateId",),
    "GpuPriceInput": ("securePrice",), "ProfileUpdateInput": ("name",), "UpdateMachineType": ("description",),
    "SecretUpdateInput": ("description",), "SettingsUpdateInput": ("language",),
    "CreatePodV2": ("image", "gpu"), "CreateEndpointV2": ("name", "image", "gpu", "scaling"), "TemplateInputV2": ("name", "image"),
}
# What is free is told for a purpose only.
ASKED_TOGETHER = {"/v2/catalog/gpus": {"include": "AVAILABILITY", "product": "POD"},
                  "/v2/catalog/cpus": {"include": "AVAILABILITY", "product": "POD"}}
# Examples that only somebody who is in the world outside can be answered.
OUTSIDE = {"ImageCheckInput": {"registry_unreachable"}}
# A browser's session is asked for, not a key.
OF_BROWSERS = ("PATCH /v1/me", "POST /v1/auth/logout")
# After these no session is left.
LAST = ("POST /v1/auth/logout", "POST /v1/auth/one-time")
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z")


class Document:
    """The document, and what it says an answer looks like."""

    def __init__(self, url):
        self.said = requests.get(url + "/openapi.json", timeout=30).json()
        self.components = self.said["components"]

    def operations(self):
        for path, methods in self.said["paths"].items():
            for method, operation in methods.items():
                yield Operation(self, method.upper(), path, operation)

    def schema(self, name):
        return self.components["schemas"][name]

    def misfits(self, schema, value):
        judge = jsonschema.Draft202012Validator(schema | {"components": self.components})
        return [f"{'.'.join(map(str, one.path))}: {one.message}"[:300] for one in judge.iter_errors(value)]


class Operation:
    def __init__(self, document, method, path, said):
        self.document, self.method, self.path, self.said = document, method, path, said
        self.name = f"{method} {path}"
        self.query = {one["name"]: one["example"] for one in said.get("parameters", []) if one.get("in") == "query"}
        body = said.get("requestBody")
        self.body = body["content"]["application/json"]["schema"]["$ref"].split("/")[-1] if body else None
        self.properties = document.schema(self.body)["properties"] if body else {}

    def example(self, name):
        return self.properties[name]["examples"][0]

    def least(self):
        """The smallest body that does something."""
        if not self.body:
            return None
        required = self.document.schema(self.body).get("required", [])
        return {name: self.example(name) for name in (*required, *NEEDED.get(self.body, ()))}

    def calls(self):
        """(what it shows, query, body) of every call that its examples make."""
        least = self.least()
        yield "as it must be", {}, least
        for name in self.properties:
            if name not in least:
                yield name, {}, least | COMPANY.get((self.body, name), {}) | {name: self.example(name)}
        together = next((more for path, more in ASKED_TOGETHER.items() if self.path.startswith(path)), {})
        for name, value in self.query.items():
            yield f"?{name}", together | {name: value}, least

    def complaints(self, answer):
        """What is in the answer that the document does not say."""
        status = str(answer.status_code)
        said = self.said["responses"].get(status)
        if said is None:
            return [f"the document knows no {status}"]
        kind = answer.headers.get("Content-Type", "").split(";")[0]
        content = said.get("content", {})
        if content and kind not in content:
            return [f"{kind} instead of {list(content)}"]
        if kind not in ("application/json", "application/problem+json") or kind not in content:
            return []
        value = answer.json()
        wrong = self.document.misfits(content[kind]["schema"], value)
        if answer.status_code >= 400 and value.get("code") not in content[kind].get("examples", {}):
            wrong.append(f"the document does not say that it may be refused with {value.get('code')}")
        return wrong


class Things:
    """Something real for each name that an example gives."""

    def __init__(self, gyre):
        self.gyre, self.api = gyre, gyre.api
        self.numbers = itertools.count(1)
        self.browser = requests.Session()
        self.browser.headers["X-Gyre-CSRF"] = "1"
        token = gyre.said["console"].split("token=")[1]
        self.password = "correct Horse 1"
        self.post("/v1/auth/one-time", {"token": token, "email": "kim@example.org", "password": self.password})
        for name in ("aws_id", "aws_key", "aws_token"):
            self.api.post("/v1/secrets", {"name": name, "value": "v"})
        self.kept = {"machineType": "g2.small", "templateId": self.template(), "networkVolumeId": self.volume(),
                     "containerRegistryAuthId": self.registry_auth()}
        self.api.post("/v1/machinetypes", {"name": "g2.small", "gpuTypeId": "NVIDIA A40", "gpuCount": 1, "vcpuCount": 1,
                                           "memoryInGb": 1})
        self.api.post("/v1/quotarequests", self.quota_wanted())

    def post(self, path, body):
        answer = self.browser.post(self.gyre.said["url"] + path, json=body, timeout=30)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def new(self, kind):
        return f"{kind}-{next(self.numbers)}"

    def quota_wanted(self):
        ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=7)
        return {"machineType": "g2.small", "count": 1, "endsAt": ends.strftime("%Y-%m-%dT%H:%M:%SZ"), "reason": "a reason"}

    def template(self):
        return self.api.post("/v1/templates", {"name": self.new("template"), "imageName": "x:1", "isServerless": True})["id"]

    def shared_template(self):
        return self.api.post("/v1/templates", {"name": self.new("template"), "imageName": "x:1", "isPublic": True})["id"]

    def endpoint(self, **more):
        """One with settings of its own."""
        wanted = {"name": "e", "type": "QUEUE", "image": "x:1", "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4}}
        return self.api.post("/v2/serverless", wanted | (more or {"gpu": {"pools": ["AMPERE_48"]}}))["id"]

    def volume(self):
        return self.api.post("/v1/networkvolumes", {"name": self.new("volume"), "size": 10, "dataCenterId": "LOCAL"})["id"]

    def registry_auth(self):
        return self.api.post("/v1/containerregistryauth", {"name": self.new("auth"), "username": "u", "password": "p"})["id"]

    def pod(self):
        return self.api.run(image("hello"), volumeInGb=1)["id"]

    def spot_pod(self):
        return self.api.run(image("hello"), interruptible=True, bidPerGpu=0.1)["id"]

    def host(self):
        """One that has joined and was never heard of since."""
        token = self.api.post("/v1/hosts/tokens", {})["token"]
        return self.api.post("/v1/hosts/join", {"token": token, "csr": self.signing_request(), "hostname": "x"})["hostId"]

    def quota_request(self):
        return self.api.post("/v1/quotarequests", self.quota_wanted())["id"]

    def grant(self):
        self.api.post(f"/v1/quotarequests/{self.quota_request()}/approve", {})
        return [grant["id"] for quota in self.api.get("/v1/quotas") for grant in quota["grants"]][-1]

    def sync(self):
        return self.api.post("/v1/cloudsyncs", {
            "podId": self.pod(), "direction": "TO_CLOUD", "bucket": "my-results", "accessKeyId": "k", "secretAccessKey": "s",
            "endpointUrl": "http://127.0.0.1:9"})["id"]

    def of(self, path):
        """A new one of what {id} stands for in a path."""
        made = {
            "/v1/apikeys": lambda: self.api.post("/v1/apikeys", {"name": self.new("key")})["id"],
            "/v1/hosts": lambda: self.gyre.said["hostId"],
            "/v1/machinetypes": lambda: self.api.post("/v1/machinetypes", {
                "name": self.new("type"), "vcpuCount": 1, "memoryInGb": 1})["id"],
            "/v1/quotagrants": self.grant,
            "/v1/quotarequests": self.quota_request,
            "/v1/pods": self.pod,
            "/v1/cloudsyncs": self.sync,
            "/v1/containerregistryauth": self.registry_auth,
            "/v1/secrets": lambda: self.api.post("/v1/secrets", {"name": self.new("s").replace("-", "_"), "value": "v"})["id"],
            "/v1/templates": self.template,
            "/v1/networkvolumes": self.volume,
            "/v1/endpoints": lambda: self.api.post("/v1/endpoints", {"templateId": self.template()})["id"],
            "/v1/catalog/gputypes": lambda: "NVIDIA A40",
            "/v1/catalog/datacenters": lambda: "LOCAL",
            "/v2/pods": self.pod,
            "/v2/templates": self.shared_template,
            "/v2/registries": self.registry_auth,
            "/v2/serverless": self.endpoint,
            "/v2/network-volumes": self.volume,
            "/v2/catalog/templates": self.shared_template,
            "/v2/catalog/gpus": lambda: "NVIDIA A40",
            "/v2/catalog/cpus": lambda: "cpu3c",
            "/v2/catalog/datacenters": lambda: "LOCAL",
            "/pods": lambda: "2s56cp0pof1rmt",  # pages: any
        }
        return next(make for prefix, make in made.items() if path.startswith(prefix + "/"))()

    def path(self, operation, query, body):
        """Its path with something that it can be done to."""
        if operation.name == "POST /v1/pods/{id}/start":
            thing = self.spot_pod() if "bidPerGpu" in query else self.pod()
            self.api.call("POST", f"/v1/pods/{thing}/stop")
            self.api.until(thing, "stopped")
        elif operation.name == "DELETE /v1/hosts/{id}":
            thing = self.host()
        elif operation.name == "PATCH /v2/serverless/{id}" and "cpu" in (body or {}):
            thing = self.endpoint(cpu=[{"id": "cpu3c", "vcpuCount": 2}])
        elif "{id}" in operation.path:
            thing = self.of(operation.path)
        else:
            thing = ""
        return operation.path.replace("{id}", thing).replace("{topic}", "stuck-pod")

    def real(self, operation, query, body):
        """The same with the names of real things, and with dates that lie ahead as they did when they were written."""
        if "cursor" in query:
            query = {"cursor": self.second_page(operation.path)}
        if body is None:
            return query, None
        body = json.loads(json.dumps(body))
        for name, value in self.kept.items():
            if body.get(name):
                body[name] = value
        if "networkVolumeIds" in body:
            body["networkVolumeIds"] = [self.kept["networkVolumeId"]]
        for name in ("imageName", "image"):
            if name in body and (name == "imageName" or operation.body.endswith("V2")):
                body[name] = image("hello")
        if operation.body == "CreatePodV2" and "templateId" in body:
            body["templateId"] = self.shared_template()  # one that pods are made from
        if "podId" in body:
            body["podId"] = self.pod()
        if operation.body in ("TemplateCreateInput", "TemplateUpdateInput", "CreateMachineType", "UpdateMachineType",
                              "SecretCreateInput", "SecretUpdateInput", "NetworkVolumeCreateInput",
                              "NetworkVolumeUpdateInput", "TemplateInputV2", "CreateNetworkVolumeV2",
                              "UpdateNetworkVolumeV2", "CreateRegistryV2") and "name" in body:
            body["name"] = self.new(body["name"]).replace("-", "_" if "Secret" in operation.body else "-")
        if operation.body == "DataCenterCreateInput":
            body["id"] = self.new(body["id"]).upper()
        if operation.body == "GpuTypeCreateInput":
            body["id"] = self.new(body["id"])
        if operation.body == "JoinHost":
            body |= {"token": self.api.post("/v1/hosts/tokens", {"name": "gpu-1"})["token"], "csr": self.signing_request()}
        dates = sorted(value for value in body.values() if isinstance(value, str) and DATE.fullmatch(value))
        for name, value in body.items():
            if value in dates:
                body[name] = self.ahead(dates.index(value) + 1)
        if operation.body == "ProfileUpdateInput":
            body["currentPassword"] = self.password
            self.password = body.get("password", self.password)
        if operation.body == "OneTimeLogInInput":
            body["token"] = self.one_time_token()
        return query, body

    def second_page(self, path):
        while True:
            first = self.api.call("GET", path, params={"limit": 1})
            if "X-Next-Cursor" in first.headers:
                return first.headers["X-Next-Cursor"]
            self.host() if path == "/v1/hosts" else self.of(path + "/{id}")

    def one_time_token(self):
        """One more, written by hand: a server gives one out at its first start."""
        token, now = secrets.token_hex(20), int(time.time() * 1000)
        with sqlite3.connect(self.gyre.data / "gyre.db", timeout=20) as db:
            db.execute("INSERT INTO one_time_logins (digest, account, created_at, expires_at)"
                       " SELECT ?, id, ?, ? FROM accounts WHERE is_operator = 1 LIMIT 1",
                       (hashlib.sha256(token.encode()).hexdigest(), now, now + 600_000))
        return token

    @staticmethod
    def ahead(days):
        then = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        return then.strftime("%Y-%m-%dT%H:%M:%SZ")

    @staticmethod
    def signing_request():
        key = subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], check=True,
                             capture_output=True).stdout
        return subprocess.run(["openssl", "req", "-new", "-key", "/dev/stdin", "-subj", "/CN=gpu-1"], input=key, check=True,
                              capture_output=True).stdout.decode()

    def clear(self):
        """No pod is left that would hold what the next one wants."""
        for pod in self.api.get("/v1/pods?limit=1000"):
            self.api.call("DELETE", f"/v1/pods/{pod['id']}")

    def call(self, operation, path, query, body):
        """The answer, its stream closed where it has no end."""
        kind = [*operation.said["responses"].values()][0].get("content", {})
        endless = "text/event-stream" in kind or query.get("follow") == "true"
        who = self.browser if operation.name in OF_BROWSERS else requests
        headers = {} if who is self.browser else {"Authorization": f"Bearer {self.api.key}"}
        answer = who.request(operation.method, self.gyre.said["url"] + path, params=query, json=body, headers=headers,
                             timeout=60, stream=endless)
        if endless and answer.status_code < 400:
            answer.close()
        return answer


@pytest.fixture(scope="module")
def gyre(engine, tmp_path_factory):
    """A Gyre that lets one client ask as much as these tests do."""
    yield from started(tmp_path_factory.mktemp("gyre"), engine=engine, settings={
        "GYRE_LIMITS_REQUESTS_PER_SECOND": "10000", "GYRE_LIMITS_REQUESTS_AT_ONCE": "10000"})


@pytest.fixture(scope="module")
def document(gyre):
    return Document(gyre.said["url"])


@pytest.fixture(scope="module")
def things(gyre):
    return Things(gyre)


def test_every_example_is_executed_and_every_answer_is_as_documented(document, things):
    wrong, executed = [], 0
    operations = [one for one in document.operations() if "x-websocket" not in one.said]
    for operation in sorted(operations, key=lambda one: one.name in LAST):
        for shows, query, body in operation.calls():
            path = things.path(operation, query, body)
            query, body = things.real(operation, query, body)
            answer = things.call(operation, path, query, body)
            executed += 1
            complaints = operation.complaints(answer)
            if answer.status_code >= 400 and answer.json().get("code") not in OUTSIDE.get(operation.body, ()):
                complaints.append(answer.text[:400])
            wrong += [f"{operation.name}, {shows}: {one}" for one in complaints]
            things.clear()
    assert not wrong, "\n".join(wrong)
    assert executed > 300, "is the document whole?"


# What no field takes that is not of this type, by the names of JSON Schema.
WRONG = {"object": {"no": {"such": "thing"}}, "array": [["no"]], "string": "no", "number": 7.5, "boolean": True}


def wrong_values(document, schema):
    """Values that the field's schema refuses for their type."""
    for kind, value in WRONG.items():
        if document.misfits(schema, value):
            yield kind, value


def test_a_wrong_type_is_refused_and_names_its_field(document, things):
    wrong, asked = [], 0
    for operation in document.operations():
        if not operation.body or operation.name in (*OF_BROWSERS, "POST /graphql", "POST /v1"):  # which refuse in their own form
            continue
        path = things.path(operation, {}, {})
        _, body = things.real(operation, {}, operation.least())
        for name, schema in operation.properties.items():
            for kind, value in wrong_values(document, schema):
                answer = things.call(operation, path, {}, body | {name: value})
                asked += 1
                complaints = operation.complaints(answer)
                field = answer.json().get("field") or "" if answer.status_code in (400, 422) else ""
                if re.split(r"[.\[]", field)[0] != name:
                    complaints.append(f"{answer.status_code} {answer.text[:200]}")
                wrong += [f"{operation.name}, {kind} for {name}: {one}" for one in complaints]
        things.clear()
    assert not wrong, "\n".join(wrong)
    assert asked > 300, "is the document whole?"


def test_what_is_nowhere_is_404_in_the_words_of_the_document(document, things):
    wrong = []
    for operation in document.operations():
        if "{id}" not in operation.path or operation.said["x-gyre-access"] == "open":
            continue
        _, body = things.real(operation, {}, operation.least())
        for nowhere in ("nosuchthing", "%00", "x" * 300, "가"):
            answer = things.call(operation, operation.path.replace("{id}", nowhere), {}, body)
            if answer.status_code not in (400, 404) and "x-websocket" not in operation.said:
                wrong.append(f"{operation.name} of {nowhere[:20]}: {answer.status_code} {answer.text[:200]}")
            wrong += [f"{operation.name} of {nowhere[:20]}: {one}" for one in operation.complaints(answer)]
    assert not wrong, "\n".join(wrong)
