"""Makes data/ from npm's `@octokit/webhooks-examples`: python record.py PACKAGE/api.github.com/index.json"""

import gzip
import json
import re
import sys
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data"
TYPES = {
    "commit_comment": "CommitCommentEvent", "create": "CreateEvent", "delete": "DeleteEvent", "fork": "ForkEvent",
    "gollum": "GollumEvent", "issue_comment": "IssueCommentEvent", "issues": "IssuesEvent", "member": "MemberEvent",
    "public": "PublicEvent", "pull_request": "PullRequestEvent", "pull_request_review": "PullRequestReviewEvent",
    "pull_request_review_comment": "PullRequestReviewCommentEvent", "push": "PushEvent", "release": "ReleaseEvent",
    "watch": "WatchEvent",
}  # fmt: skip
LATER = 2
CUT = b'{"id":"10000000999","type":"PushEvent","actor":{"id":21031067,"login":"Codert\n'
TIME = re.compile(
    r'"(?:created_at|updated_at|submitted_at|published_at|timestamp)": "(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"'
)
OUTSIDE = ("repository", "sender", "organization", "installation", "enterprise")


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def packed(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, 9, mtime=0))


def event(name: str, payload: dict[str, Any], number: int) -> tuple[str, bytes]:
    """One line of GH Archive's shape, and its hour: of the newest time in the payload."""
    at = max(TIME.findall(json.dumps(payload)), default="2019-05-15T15:20:00Z")
    repository, sender = payload["repository"], payload["sender"]
    found = {
        "id": str(10_000_000_000 + number),
        "type": TYPES[name],
        "actor": {word: sender[word] for word in ("id", "login", "url", "avatar_url")},
        "repo": {"id": repository["id"], "name": repository["full_name"], "url": repository["url"]},
        "payload": {key: value for key, value in payload.items() if key not in OUTSIDE},
        "public": True,
        "created_at": at,
    }
    if "organization" in payload:
        found["org"] = {word: payload["organization"][word] for word in ("id", "login", "url")}
    return f"{at[:10]}-{int(at[11:13])}", compact(found) + b"\n"


def main(source: Path) -> None:
    hours: dict[str, list[bytes]] = defaultdict(list)
    deliveries = []
    number = 0
    for group in json.loads(source.read_bytes()):
        for payload in group["examples"]:
            number += 1
            name = group["name"]
            delivery = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{number}"))
            body = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
            deliveries.append(compact({"delivery": delivery, "event": name, "body": body}) + b"\n")
            if name in TYPES:
                hour, line = event(name, payload, number)
                hours[hour].append(line)
    named = sorted(hours)
    hours[named[1]].insert(60, CUT)
    for index, hour in enumerate(named):
        folder = FOLDER / "later" if index >= len(named) - LATER else FOLDER
        packed(folder / f"{hour}.json.gz", b"".join(hours[hour]))
    packed(FOLDER / "deliveries.ndjson.gz", b"".join(deliveries))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
