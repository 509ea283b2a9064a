"""What is made inside a network that exists already: groups, their rules and endpoints; nothing is routed here."""

from typing import Any

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources.given import Given
from catchwater.infra.twin.resources.kind import Account, Kind, found

NO_GROUP = ("InvalidGroup.NotFound", "InvalidGroupId.NotFound")


def _group(to: Account, given: Given, prior: Values | None) -> Values:
    if prior is not None:
        return {}
    given["revoke_rules_on_delete"]
    made = to.client("ec2").create_security_group(
        GroupName=given["name"], Description=given["description"] or "Managed by Terraform", VpcId=given["vpc_id"]
    )["GroupId"]
    arn = f"arn:aws:ec2:{to.region}:{to.account}:security-group/{made}"
    return {"id": made, "arn": arn, "owner_id": to.account, "name_prefix": ""}


def _group_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("ec2").describe_security_groups, *NO_GROUP, GroupIds=[state["id"]])
    held = (answer or {}).get("SecurityGroups")
    return {"name": held[0]["GroupName"], "vpc_id": held[0]["VpcId"]} if held else None


def _permissions(given: Given) -> list[dict[str, Any]]:
    rule: dict[str, Any] = given.named(IpProtocol="ip_protocol")
    rule |= {api: int(value) for api, value in given.named(FromPort="from_port", ToPort="to_port").items()}
    said = given.named(Description="description")
    if cidr := given["cidr_ipv4"]:
        rule["IpRanges"] = [{"CidrIp": cidr, **said}]
    if group := given["referenced_security_group_id"]:
        rule["UserIdGroupPairs"] = [{"GroupId": group, **said}]
    if prefixes := given["prefix_list_id"]:
        rule["PrefixListIds"] = [{"PrefixListId": prefixes, **said}]
    return [rule]


def _rule(call: str) -> Any:
    def put(to: Account, given: Given, prior: Values | None) -> Values:
        if prior is not None:
            return {}
        answer = getattr(to.client("ec2"), call)(GroupId=given["security_group_id"], IpPermissions=_permissions(given))
        held = answer.get("SecurityGroupRules") or [{}]
        made = held[0].get("SecurityGroupRuleId") or f"sgr-{abs(hash(str(answer))):017x}"[:21]
        arn = f"arn:aws:ec2:{to.region}:{to.account}:security-group-rule/{made}"
        return {"id": made, "security_group_rule_id": made, "arn": arn}

    return put


def _rule_now(to: Account, state: Values) -> Values | None:
    group = found(to.client("ec2").describe_security_groups, *NO_GROUP, GroupIds=[state["security_group_id"]])
    return {} if group and group["SecurityGroups"] else None


def _endpoint(to: Account, given: Given, prior: Values | None) -> Values:
    if prior is not None:
        return {}
    made = to.client("ec2").create_vpc_endpoint(
        **given.named(VpcId="vpc_id", ServiceName="service_name", VpcEndpointType="vpc_endpoint_type",
                      RouteTableIds="route_table_ids", SubnetIds="subnet_ids", SecurityGroupIds="security_group_ids",
                      PrivateDnsEnabled="private_dns_enabled", PolicyDocument="policy")
    )["VpcEndpoint"]  # fmt: skip
    arn = f"arn:aws:ec2:{to.region}:{to.account}:vpc-endpoint/{made['VpcEndpointId']}"
    return {"id": made["VpcEndpointId"], "arn": arn, "state": "available", "owner_id": to.account,
            "prefix_list_id": f"pl-{made['VpcEndpointId'][-8:]}"}  # fmt: skip


def _endpoint_now(to: Account, state: Values) -> Values | None:
    describe = to.client("ec2").describe_vpc_endpoints
    answer = found(describe, "InvalidVpcEndpointId.NotFound", VpcEndpointIds=[state["id"]])
    held = (answer or {}).get("VpcEndpoints")
    return {"service_name": held[0]["ServiceName"]} if held else None


def vpc(_: Account, said: Values) -> Values:
    """A network that exists already: that it is there is taken from the plan, its addresses are assumed."""
    return {"cidr_block": "10.0.0.0/16", "id": said.get("id")}


def security_group(to: Account, said: Values) -> Values:
    """By id as it is said, else by the name that another root made it under."""
    if said.get("id"):
        return {"id": said["id"]}
    held = to.client("ec2").describe_security_groups(
        Filters=[{"Name": "group-name", "Values": [said["name"]]}, {"Name": "vpc-id", "Values": [said["vpc_id"]]}]
    )["SecurityGroups"]
    return {"id": held[0]["GroupId"] if held else None}


def _delete(call: str, api: str) -> Any:
    return lambda to, state: getattr(to.client("ec2"), call)(**{api: state["id"]})


KINDS = {
    "aws_security_group": Kind(_group, _group_now, _delete("delete_security_group", "GroupId")),
    "aws_vpc_security_group_egress_rule": Kind(
        _rule("authorize_security_group_egress"), _rule_now, lambda *_: None
    ),
    "aws_vpc_security_group_ingress_rule": Kind(
        _rule("authorize_security_group_ingress"), _rule_now, lambda *_: None
    ),
    "aws_vpc_endpoint": Kind(
        _endpoint, _endpoint_now,
        lambda to, state: to.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[state["id"]]),
    ),
}  # fmt: skip
DATA = {"aws_vpc": vpc, "aws_security_group": security_group}
