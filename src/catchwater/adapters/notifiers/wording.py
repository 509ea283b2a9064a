"""How a notice reads, whoever carries it; no network here."""

import re

from catchwater.ports import Notice

LIMIT = 64 * 1024


def one_line(text: str) -> str:
    """Without line ends and control characters, so that it can stand in a header."""
    plain = text.encode("utf-8", "replace").decode()
    return " ".join(re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", plain).split())


def full_text(notice: Notice) -> str:
    """The body, where it happened, and what to do next; at most LIMIT characters of the body."""
    body = notice.body.encode("utf-8", "replace").decode().replace("\r\n", "\n").replace("\x00", "").strip()
    if len(body) > LIMIT:
        body = body[:LIMIT] + "\n… (cut here: catchwater logs has all of it)"
    at = f"project {notice.project} · environment {notice.environment} · step {notice.step}"
    run = f" · run {notice.run}" if notice.run else ""
    step = f"catchwater runs {notice.run}" if notice.run else "catchwater status"
    next_line = "" if "next:" in body else f"\nnext: {step}"
    return f"{body}\n\n{one_line(at)}{run}{next_line}\n"
