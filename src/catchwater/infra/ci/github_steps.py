"""What jobs of GitHub Actions have in common: actions pinned by their commit, Python, and who a job is in a cloud."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from catchwater.infra.ci.workflows import Stage

# Pinned by commit; the comment says the release that the commit is.
CHECKOUT = "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0"
PYTHON = "actions/setup-python@a26af69be951a213d495a4c3e4e4022e16d87065 # v5.6.0"
SETUP = "hashicorp/setup-terraform@b9cd54a3c349d3f38e8881555d616ced269862dd # v3.1.2"
AWS = "aws-actions/configure-aws-credentials@ececac1a45f3b08a01d2dd070d28d111c5fe6722 # v4.1.0"
GOOGLE = "google-github-actions/auth@7c6bc770dae815cd3e89ee6cdf493a5fab2cc093 # v3.0.0"
OWN = "github.event.pull_request.head.repo.full_name == github.repository"


def python(package: str, version: str = "3.12") -> str:
    return (
        f'      - uses: {PYTHON}\n        with:\n          python-version: "{version}"\n'
        f'      - run: python -m pip install "{package}"\n'
    )


def aws(stage: "Stage", purpose: str, role: str) -> str:
    region = stage.plan.clouds["aws"]["region"]
    text = f"      - uses: {AWS}\n        with:\n          aws-region: {region}\n"
    if stage.plan.credentials == "keys":
        text += "          aws-access-key-id: ${{ secrets.AWS_ACCESS_KEY_ID }}\n"
        return text + "          aws-secret-access-key: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n"
    return text + f"          role-to-assume: {role}\n          role-session-name: catchwater-{purpose}\n"


def google(stage: "Stage", account: str) -> str:
    text = f"      - uses: {GOOGLE}\n        with:\n"
    if stage.plan.credentials == "keys":
        return text + "          credentials_json: ${{ secrets.GCLOUD_KEY }}\n"
    text += "          workload_identity_provider: ${{ vars.GOOGLE_WORKLOAD_IDENTITY_PROVIDER }}\n"
    return text + f"          service_account: {account}\n"
