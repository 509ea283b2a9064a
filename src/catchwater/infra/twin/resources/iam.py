"""Roles and their policies in the emulator, from planned values."""

from typing import Any

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources.given import Given
from catchwater.infra.twin.resources.kind import Account, Kind, found, text

GONE = "NoSuchEntity"


def _role(to: Account, given: Given, prior: Values | None) -> Values:
    iam, name, trust = to.client("iam"), given["name"], given["assume_role_policy"]
    more = given.named(Description="description", MaxSessionDuration="max_session_duration")
    if prior is None:
        answer = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more)["Role"]
        return {"id": name, "arn": answer["Arn"], "unique_id": answer["RoleId"], "path": "/",
                "max_session_duration": answer.get("MaxSessionDuration", 3600), "create_date": "",
                "force_detach_policies": False}  # fmt: skip
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
    return {}


def _role_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("iam").get_role, GONE, RoleName=state["name"])
    if answer is None:
        return None
    role = answer["Role"]
    return {"arn": role["Arn"], "assume_role_policy": text(role["AssumeRolePolicyDocument"]),
            "description": role.get("Description") or state.get("description")}  # fmt: skip


def _inline(to: Account, given: Given, _: Values | None) -> Values:
    to.client("iam").put_role_policy(RoleName=given["role"], PolicyName=given["name"], PolicyDocument=given["policy"])
    return {"id": f"{given['role']}:{given['name']}"}


def _inline_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("iam").get_role_policy, GONE, RoleName=state["role"], PolicyName=state["name"])
    return answer and {"policy": text(answer["PolicyDocument"])}


def _managed(to: Account, given: Given, prior: Values | None) -> Values:
    iam = to.client("iam")
    if prior is not None:
        iam.create_policy_version(PolicyArn=prior["arn"], PolicyDocument=given["policy"], SetAsDefault=True)
        return {}
    more = given.named(Description="description")
    answer = iam.create_policy(PolicyName=given["name"], PolicyDocument=given["policy"], **more)["Policy"]
    return {"id": answer["Arn"], "arn": answer["Arn"], "policy_id": answer["PolicyId"], "path": "/",
            "attachment_count": 0}  # fmt: skip


def _managed_now(to: Account, state: Values) -> Values | None:
    iam = to.client("iam")
    answer = found(iam.get_policy, GONE, PolicyArn=state["arn"])
    if answer is None:
        return None
    version = answer["Policy"]["DefaultVersionId"]
    held = iam.get_policy_version(PolicyArn=state["arn"], VersionId=version)["PolicyVersion"]
    return {"policy": text(held["Document"])}


def _attached(to: Account, given: Given, _: Values | None) -> Values:
    to.client("iam").attach_role_policy(RoleName=given["role"], PolicyArn=given["policy_arn"])
    return {"id": f"{given['role']}/{given['policy_arn']}"}


def _attached_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("iam").list_attached_role_policies, GONE, RoleName=state["role"])
    held = [one["PolicyArn"] for one in (answer or {}).get("AttachedPolicies", [])]
    return {"policy_arn": state["policy_arn"]} if state["policy_arn"] in held else None


def _provider(to: Account, given: Given, prior: Values | None) -> Values:
    if prior is not None:
        return {}
    more = given.named(ClientIDList="client_id_list", ThumbprintList="thumbprint_list")
    arn = to.client("iam").create_open_id_connect_provider(Url=given["url"], **more)["OpenIDConnectProviderArn"]
    return {"id": arn, "arn": arn, "thumbprint_list": more.get("ThumbprintList") or []}


def _provider_now(to: Account, state: Values) -> Values | None:
    get = to.client("iam").get_open_id_connect_provider
    answer = found(get, GONE, OpenIDConnectProviderArn=state["arn"])
    return answer and {"client_id_list": answer["ClientIDList"]}


def _drop(call: str, **names: str) -> Any:
    return lambda to, state: getattr(to.client("iam"), call)(**{api: state[name] for api, name in names.items()})


KINDS = {
    "aws_iam_role": Kind(_role, _role_now, _drop("delete_role", RoleName="name")),
    "aws_iam_role_policy": Kind(_inline, _inline_now, _drop("delete_role_policy", RoleName="role", PolicyName="name")),
    "aws_iam_policy": Kind(_managed, _managed_now, _drop("delete_policy", PolicyArn="arn")),
    "aws_iam_role_policy_attachment": Kind(
        _attached, _attached_now, _drop("detach_role_policy", RoleName="role", PolicyArn="policy_arn")
    ),
    "aws_iam_openid_connect_provider": Kind(
        _provider, _provider_now, _drop("delete_open_id_connect_provider", OpenIDConnectProviderArn="arn")
    ),
}
