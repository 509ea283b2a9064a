"""Where the hours of an archive are: behind URLs, or in files inside the project's folder; nothing is parsed here."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from catchwater.adapters.sources.http_fetch import Fetcher, Limits, Missing
from catchwater.errors import SourceRefused

PUBLIC = "https://data.gharchive.org/{hour}.json.gz"
PLACE = "{hour}"
HOUR = timedelta(hours=1)
LATE = timedelta(hours=2)
FIRST = timedelta(hours=24)
_SPELT = re.compile(r"(\d{4}-\d{2}-\d{2})-(\d{1,2})")


def spell(hour: datetime) -> str:
    """As GH Archive names it: `2024-01-01-5`."""
    return f"{hour:%Y-%m-%d}-{hour.hour}"


def read_hour(text: str) -> datetime | None:
    match = _SPELT.fullmatch(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[1]).replace(hour=int(match[2]), tzinfo=UTC)
    except ValueError:
        return None


def hour_in(name: str) -> datetime | None:
    """The hour that a file's name tells."""
    match = _SPELT.search(name)
    return read_hour(match[0]) if match else None


@dataclass(frozen=True)
class Hour:
    """One hour and the file that holds it as it came; `path` is None for an hour that isn't there and won't be."""

    start: datetime
    path: Path | None
    name: str


@dataclass(frozen=True)
class RecordedHours:
    """Files `pattern` in a folder of the project, one an hour; `{hour}` stands in the file's name."""

    name: str
    folder: Path
    pattern: str

    def after(self, last: datetime | None, now: datetime, work: Path) -> Iterator[Hour]:
        """The hours there are after `last`, oldest first."""
        root = self.folder.resolve()
        place, _, file = self.pattern.rpartition("/")
        inside = (root / place if place or not self.pattern.startswith("/") else Path("/")).resolve()
        if not inside.is_relative_to(root):
            raise SourceRefused(
                f"{self.pattern} lies outside the project",
                where=self.name,
                next_step="keep recorded files in the project's folder",
            )
        before, after = file.split(PLACE)
        found = []
        for each in inside.iterdir() if inside.is_dir() else ():
            middle = each.name[len(before) : len(each.name) - len(after)]
            start = read_hour(middle) if each.name == f"{before}{middle}{after}" else None
            if start is not None and each.resolve().is_relative_to(root) and (last is None or start > last):
                found.append((start, each))
        for start, each in sorted(found):
            yield Hour(start, each, each.name)


@dataclass(frozen=True)
class RemoteHours:
    """Hours behind `url`; one that isn't there two hours after its end is passed over."""

    name: str
    url: str
    private: bool
    limits: Limits

    def after(self, last: datetime | None, now: datetime, work: Path) -> Iterator[Hour]:
        """The hours after `last` (at first: of the last day) that are over and there, oldest first."""
        this = now.replace(minute=0, second=0, microsecond=0)
        start = last + HOUR if last is not None else this - FIRST
        fetcher = Fetcher(self.name, self.private, self.limits)
        while start < this:
            path = work / f"hour-{spell(start)}"
            try:
                fetcher.get(self.url.replace(PLACE, spell(start)), path)
            except Missing:
                if now - (start + HOUR) < LATE:
                    return
                yield Hour(start, None, spell(start))
            else:
                yield Hour(start, path, f"{spell(start)}.json")
            start += HOUR


def hours(name: str, url: str | None, folder: Path, private: bool, limits: Limits) -> RecordedHours | RemoteHours:
    """The hours that a source's `url` stands for; raises SourceRefused when `{hour}` isn't in it, or is twice."""
    text = url or PUBLIC
    remote = re.match(r"https?://", text, re.IGNORECASE)
    count = text.count(PLACE) if remote else text.rsplit("/", 1)[-1].count(PLACE)
    if count != 1 or (not remote and text.count(PLACE) != 1):
        raise SourceRefused(
            "the url must hold {hour} once" + ("" if remote else ", in the file's name"),
            where=name,
            next_step="write it like data/{hour}.json.gz, or like https://host/{hour}.json.gz",
        )
    if remote:
        return RemoteHours(name, text, private, limits)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) and not text.startswith("file://"):
        raise SourceRefused("only http, https and files are read", where=name)
    return RecordedHours(name, folder, text.removeprefix("file://").removeprefix("file:"))
