"""The official Codegen Python SDK against a running `cyrus simulate codegen`, unchanged.

Usage: python codegen_sdk.py BASE_URL

Needs the package `codegen` 0.57.0 (Python 3.12 or newer) and a simulator with its default
script. Exits with 1 and says what differed when anything is not as the SDK expects.
"""

import os
import sys
import tempfile

# The SDK keeps a cache in the home directory; leave the user's alone.
os.environ["HOME"] = tempfile.mkdtemp(prefix="codegen-sdk-")

from codegen import Agent  # noqa: E402
from codegen_api_client.exceptions import ApiException  # noqa: E402

POLLS = 10


def expect(what, seen, wanted):
    if seen != wanted:
        sys.exit(f"{what}: expected {wanted!r}, saw {seen!r}")


def create_and_poll(base_url):
    agent = Agent(token="sdk-lane", org_id=42, base_url=base_url)
    task = agent.run("fix the bug")
    expect("status after run()", task.status, "ACTIVE")
    expect("status by get_status()", agent.get_status()["status"], "ACTIVE")
    seen = [task.status]
    for _ in range(POLLS):
        task.refresh()
        seen.append(task.status)
        if task.status == "COMPLETE":
            break
    expect("last status", seen[-1], "COMPLETE")
    expect("result", task.result, "done")
    if not task.web_url.endswith(f"/{task.id}"):
        sys.exit(f"web_url {task.web_url!r} does not name run {task.id}")
    return task.id


def refuses_what_is_not_there(base_url):
    agent = Agent(token="sdk-lane", org_id=42, base_url=base_url)
    task = agent.run("another one")
    task.id = 999_999_999
    try:
        task.refresh()
    except ApiException as error:
        expect("status of an unknown run", error.status, 404)
        return
    sys.exit("an unknown run was found")


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    base_url = sys.argv[1].rstrip("/")
    first, second = create_and_poll(base_url), create_and_poll(base_url)
    expect("id of the second run", second, first + 1)
    refuses_what_is_not_there(base_url)
    print(f"codegen SDK: created and polled runs {first} and {second}")


if __name__ == "__main__":
    main()
