"""A store that speaks S3, on a machine of its own: moto's server in a network namespace with one cable to the host, so
that containers reach it as they reach anything outside. It checks signatures, as the real one does."""

import json
import os
import subprocess

from gyre import eventually
from namespaces import Namespace
from pypi import python_package

ROUTER, STORE = "10.231.78.1", "10.231.78.2"
PORT = 9000
SET_UP = """
import boto3, json, sys
call = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any")
iam = boto3.client("iam", **call)
iam.create_user(UserName="t")
key = iam.create_access_key(UserName="t")["AccessKey"]
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
iam.put_user_policy(UserName="t", PolicyName="all", PolicyDocument=json.dumps(policy))
boto3.client("s3", **call).create_bucket(Bucket=sys.argv[2])
print(json.dumps([key["AccessKeyId"], key["SecretAccessKey"]]))
"""
OPEN_ACTIONS = 4  # those above; from then on a signature is needed
CALL = """
import boto3, json, sys
endpoint, key, secret, verb = sys.argv[1:5]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key, aws_secret_access_key=secret)
if verb == "list":
    print(json.dumps({one["Key"]: one["Size"] for one in s3.list_objects_v2(Bucket=sys.argv[5]).get("Contents", [])}))
if verb == "get":
    sys.stdout.buffer.write(s3.get_object(Bucket=sys.argv[5], Key=sys.argv[6])["Body"].read())
if verb == "put":
    s3.put_object(Bucket=sys.argv[5], Key=sys.argv[6], Body=sys.stdin.buffer.read())
"""


class Store:
    bucket = "results"

    def __init__(self, folder):
        self.folder = folder
        self.package = python_package("moto[server,s3,iam]", "5.2.5")
        self.namespace = Namespace("s3", STORE, ROUTER)
        self.endpoint = f"http://{STORE}:{PORT}"
        self.process = None

    def _python(self, *arguments, **more):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(self.package), "HOME": str(self.folder), "NO_PROXY": "*"}
        done = subprocess.run(["/usr/bin/python3", *arguments], capture_output=True, timeout=120, env=environment, **more)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout

    def up(self):
        self.namespace.up()
        self.namespace.run("ip", "route", "add", "default", "via", ROUTER)
        log = open(self.folder / "store.log", "ab")
        self.process = subprocess.Popen(
            self.namespace.command("/usr/bin/python3", "-m", "moto.server", "-H", STORE, "-p", PORT),
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | {
                "PYTHONPATH": str(self.package), "INITIAL_NO_AUTH_ACTION_COUNT": str(OPEN_ACTIONS)})
        listening = self.namespace.command("ss", "-Hltn", f"sport = :{PORT}")
        eventually(lambda: subprocess.run(listening, capture_output=True).stdout, 60, what="the store listening")
        self.key, self.secret = json.loads(self._python("-c", SET_UP, self.endpoint, self.bucket))

    def down(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.namespace.down()

    def _call(self, *arguments, **more):
        return self._python("-c", CALL, self.endpoint, self.key, self.secret, *arguments, **more)

    def keys(self):
        """What is in the bucket: name to size."""
        return json.loads(self._call("list", self.bucket))

    def read(self, key):
        return self._call("get", self.bucket, key)

    def write(self, key, content):
        self._call("put", self.bucket, key, input=content)
