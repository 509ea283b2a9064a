"""What Terraform makes of the access that the roots give: the very conditions of the statements."""

from pathlib import Path
from typing import Any

from catchwater.infra.google import access, places
from tests.support.examples import plan_of
from tests.support.roots import written
from tests.support.terraform import Opened, reattach, terraform

__all__ = ["reattach", "terraform"]


def resources(module: dict[str, Any]) -> list[dict[str, Any]]:
    return [*module.get("resources", []), *(r for inner in module.get("child_modules", []) for r in resources(inner))]


def test_every_bucket_grant_has_the_conditions_of_its_statements(terraform: Opened, tmp_path: Path) -> None:
    plan = plan_of("events", "dev")
    root = next(root for root in written("events", "dev", tmp_path) if root.name == "storage")
    planned = resources(terraform(root).plan()["planned_values"]["root_module"])
    bound = [one["values"] for one in planned if one["type"] == "google_storage_bucket_iam_member"]
    statements = [one for mine in access.held(plan).values() for one in mine if one.objects]
    zones = {places.bucket(plan, zone) for zone in ("ingestion", "processed", "artifacts")}
    assert len(bound) > 10
    for one in bound:
        expression = one["condition"][0]["expression"]
        parts = expression.replace('resource.type == "storage.googleapis.com/Bucket" && (', "").split(" || ")
        known = [s.condition for s in statements if s.resource == f"buckets/{one['bucket']}" and s.role == one["role"]]
        assert one["bucket"] in zones
        assert all(any(part.rstrip(")") in condition for condition in known) for part in parts)
    covered = " ".join(one["condition"][0]["expression"] for one in bound)
    assert all(s.condition.split(" && (")[-1].rstrip(")") in covered for s in statements)
