"""What a twin has shown, and always what it could not; data, text, and whether it is clean."""

from dataclasses import dataclass, field
from typing import Any

from catchwater.infra.twin.grants import Judged
from catchwater.infra.twin.rows import Compared

NOT_PROVEN = (
    "rds-db:connect", "VPC routing", "quotas", "real cold starts",
    "provider drift (the schemas are real, the provider is the twin's)",
    "the archive on Lambda's own Python (it ran on this machine's)",
    "RDS itself (the warehouse is a Postgres of this machine)", "TLS of the services' endpoints",
    "AWS's own reading of metrics in log lines, and its clock", "the confirmation of an e-mail subscription",
)  # fmt: skip


@dataclass(frozen=True)
class Fresh:
    """Seconds: `measured` from the commit in the source to the warehouse when woken at once, `every` between wakes,
    `promised` (None: nothing is)."""

    measured: float
    every: float
    promised: float | None

    @property
    def worst(self) -> float:
        return self.measured + self.every

    @property
    def kept(self) -> bool:
        return self.promised is None or self.worst <= self.promised


@dataclass(frozen=True)
class Receipt:
    """`alarms` maps failure, recovery and stale to whether the mail came; `drift` is what a second plan would do;
    `ignored` has, by resource type, arguments that nothing here realises; `problems` is what else went wrong; `vague`
    are actions of which the emulator didn't tell the resource; `cut` has, by permission taken away, the name that the
    run then failed by (empty: it went on without)."""

    project: str
    environment: str
    rows: tuple[Compared, ...]
    grants: Judged
    fresh: Fresh | None
    alarms: dict[str, bool]
    drift: tuple[str, ...] = ()
    resources: int = 0
    ignored: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    vague: tuple[str, ...] = ()
    cut: dict[str, str] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Rows equal, nothing missing, nothing drifted, the promise kept, every mail received."""
        equal = bool(self.rows) and all(one.equal for one in self.rows)
        kept = self.fresh is not None and self.fresh.kept
        fine = not (self.grants.missing or self.drift or self.problems)
        named = all(failed == name for name, failed in self.cut.items() if name in self.grants.used)
        return equal and kept and fine and named and all(self.alarms.values())

    @property
    def not_proven(self) -> tuple[str, ...]:
        arguments = [f"{kind}: {', '.join(names)}" for kind, names in sorted(self.ignored.items()) if names]
        vague = [f"on which resource: {', '.join(self.vague)}"] if self.vague else []
        return (*NOT_PROVEN, *self.grants.unproven, *vague, *(f"not realised: {one}" for one in arguments))

    def as_dict(self) -> dict[str, Any]:
        rows = [{"table": one.table, "rows": one.left, "other": one.right, "equal": one.equal} for one in self.rows]
        missing = [{"grant": one.name, "role": one.role, "action": one.action} for one in self.grants.missing]
        fresh = self.fresh
        return {
            "project": self.project,
            "environment": self.environment,
            "clean": self.clean,
            "rows": rows,
            "grants": {
                "used": self.grants.used,
                "missing": missing,
                "unused": list(self.grants.unused),
                "not_proven": list(self.grants.unproven),
            },
            "fresh": fresh and {"worst": fresh.worst, "measured": fresh.measured, "promised": fresh.promised},
            "alarms": self.alarms,
            "infra": {"resources": self.resources, "drift": list(self.drift)},
            "cut": self.cut,
            "problems": list(self.problems),
            "seconds": round(self.seconds, 1),
            "not_proven_here": list(self.not_proven),
        }

    def text(self) -> str:
        lines = [*self._infra(), *self._rows(), *self._grants(), *self._promises()]
        lines += [*self._cut(), *(f"problem   {one}" for one in self.problems)]
        return "\n".join([*lines, *_wrapped("NOT PROVEN HERE  ", self.not_proven)]) + "\n"

    def _infra(self) -> list[str]:
        second = "second plan empty" if not self.drift else f"second plan would: {'; '.join(self.drift)}"
        return [f"infra     {self.resources} resources from Terraform's plan · {second}"]

    def _rows(self) -> list[str]:
        equal = [one for one in self.rows if one.equal]
        shown = [one.text for one in sorted(equal, key=lambda one: -one.left)[:2]]
        shown += [one.text for one in self.rows if not one.equal]
        return [f"rows      {' · '.join(shown) or 'none compared'} … {len(equal)}/{len(self.rows)} equal"]

    def _grants(self) -> list[str]:
        held = self.grants
        counts = [f"{len(held.used)} used", f"{len(held.missing)} missing", f"{len(held.unused)} unused"]
        lines = [f"grants    {' · '.join(counts)} · {len(held.unproven)} not proven"]
        lines += [f"  missing {one.name}" for one in held.missing]
        return lines + [f"  unused  {one}" for one in held.unused]

    def _cut(self) -> list[str]:
        if not self.cut:
            return []
        by_name = sum(1 for name, failed in self.cut.items() if failed == name)
        lines = [f"cut       {by_name}/{len(self.cut)} fail by the grant's name when it is taken away"]
        return lines + [f"  without {n}: {f or 'it went on'}" for n, f in sorted(self.cut.items()) if f != n]

    def _promises(self) -> list[str]:
        silent = "; ".join(f"{event} NOT received" for event, there in self.alarms.items() if not there)
        fired = f"{sum(self.alarms.values())}/{len(self.alarms)} fired, {silent or 'mail received'}"
        lines = [f"alarms    {fired if self.alarms else 'none tried'}"]
        if self.fresh:
            of = f" of {_span(self.fresh.promised)}" if self.fresh.promised else ""
            every = f" ({_span(self.fresh.measured)} when woken at once, every {_span(self.fresh.every)})"
            lines.insert(0, f"fresh     worst {_span(self.fresh.worst)}{of}{every}")
        return lines


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds, 1) if seconds < 60 else round(seconds), 60)
    if not minutes:
        return f"{rest:g} s"
    return f"{int(minutes)} m" + (f" {rest:g} s" if rest else "")


def _wrapped(lead: str, items: tuple[str, ...], width: int = 112) -> list[str]:
    lines, line = [], lead + items[0]
    for item in items[1:]:
        if len(line) + len(item) + 3 > width:
            lines.append(line)
            line = f"  {item}"
        else:
            line += f" · {item}"
    return [*lines, line]
