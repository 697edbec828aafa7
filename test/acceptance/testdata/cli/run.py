"""Runs commands of the AWS CLI without a start of it for each, which takes a second.

Each line of the input is the arguments of one as JSON; each line of the output is its
exit code and what it has said. A command runs in a process of its own, forked from one
that has read what the services have."""

import contextlib
import io
import json
import os
import sys

import awscli.clidriver

driver = awscli.clidriver.create_clidriver()
for service in ("ec2", "iam", "sts", "logs"):
    driver.session.create_client(service)


def run(arguments):
    said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            code = driver.main(arguments)
        except SystemExit as end:
            code = end.code
    print(json.dumps({"Code": code, "Said": said.buffer.getvalue().decode()}), flush=True)


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(json.loads(line))
        os._exit(0)
    os.waitpid(child, 0)
