"""What the accounts of CI may do: derived from the types of the resources in the roots that they plan and apply."""

import re
from collections.abc import Iterable, Sequence
from importlib.resources import files

from catchwater.errors import UseError
from catchwater.infra.google import access, places
from catchwater.infra.hcl import Value
from catchwater.infra.roots import Root
from catchwater.plan.plan import Plan

# resource type (its beginning): (to apply it, to plan it)
ROLES = {
    "google_storage_bucket": ("roles/storage.admin", "roles/storage.bucketViewer"),
    "google_pubsub_": ("roles/pubsub.admin", "roles/pubsub.viewer"),
    "google_service_account": ("roles/iam.serviceAccountAdmin", "roles/iam.securityReviewer"),
    "google_project_iam_member": ("roles/resourcemanager.projectIamAdmin", "roles/iam.securityReviewer"),
    "google_cloudfunctions2_function": ("roles/cloudfunctions.admin", "roles/cloudfunctions.viewer"),
    "google_cloud_run_v2_service": ("roles/run.admin", "roles/run.viewer"),
    "google_eventarc_trigger": ("roles/eventarc.admin", "roles/eventarc.viewer"),
    "google_cloud_scheduler_job": ("roles/cloudscheduler.admin", "roles/cloudscheduler.viewer"),
    "google_bigquery_": ("roles/bigquery.dataOwner", "roles/bigquery.metadataViewer"),
    "google_secret_manager_secret": ("roles/secretmanager.admin", "roles/secretmanager.viewer"),
    "google_monitoring_alert_policy": ("roles/monitoring.alertPolicyEditor", "roles/monitoring.alertPolicyViewer"),
    "google_monitoring_notification_channel": (
        "roles/monitoring.notificationChannelEditor",
        "roles/monitoring.notificationChannelViewer",
    ),
    "google_logging_metric": ("roles/logging.configWriter", "roles/logging.viewer"),
}
_RESOURCE = re.compile(r'^resource "(google_\w+)"', re.MULTILINE)


def types(roots: Iterable[Root]) -> tuple[str, ...]:
    """The types of Google's resources in the modules that the roots call."""
    entities = {call.entity for root in roots for call in root.calls if root.cloud == "google"}
    folder = files("catchwater.infra") / "modules" / "google"
    found = {name for entity in entities for name in _RESOURCE.findall((folder / entity / "main.tf").read_text())}
    return tuple(sorted(found))


def apply_roles(plan: Plan, roots: Sequence[Root]) -> dict[str, Value]:
    """Role → condition for the account that applies."""
    found: dict[str, Value] = {pair[0]: "" for pair in _pairs(roots)}
    if "roles/resourcemanager.projectIamAdmin" in found:
        found["roles/resourcemanager.projectIamAdmin"] = _may_grant(plan)
    return dict(sorted((found | _builds(plan)).items()))


def plan_roles(plan: Plan, roots: Sequence[Root]) -> dict[str, Value]:
    """Role → condition for the account that plans: it reads what the roots describe, and no row of the lake."""
    found: dict[str, Value] = {pair[1]: "" for pair in _pairs(roots)}
    found["roles/iam.securityReviewer"] = ""
    if "google_storage_bucket_object" in types(roots):
        zone, artifacts = places.bucket(plan, places.config_zone(plan)), places.bucket(plan, places.ARTIFACTS)
        prefixes = [f"{zone}/objects/_config/", f"{artifacts}/objects/functions/", f"{artifacts}/objects/templates/"]
        read = [f'resource.name.startsWith("projects/_/buckets/{prefix}")' for prefix in prefixes]
        found["roles/storage.objectViewer"] = " || ".join(read)
    return dict(sorted((found | _builds(plan)).items()))


def _pairs(roots: Sequence[Root]) -> list[tuple[str, str]]:
    found = []
    for kind in types(roots):
        pair = next((ROLES[start] for start in ROLES if kind.startswith(start)), None)
        if pair is None:
            raise UseError(f"no role is known that applies {kind}", where="infra/google/ci_roles.py")
        found.append(pair)
    return found


def _builds(plan: Plan) -> dict[str, Value]:
    return {"roles/logging.logWriter": ""} if plan.ci == "cloud_build" else {}


def _may_grant(plan: Plan) -> str:
    """Only the roles that the roots give on the whole project may be given or taken."""
    others = places.bootstrapped(plan)
    given = [mine for account, mine in access.held(plan).items() if account not in others]
    roles = sorted({role for mine in given for role in access.project_roles(plan, mine)})
    listed = ", ".join(f"'{role}'" for role in roles)
    return f"api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly([{listed}])"
