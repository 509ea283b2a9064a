"""The Postgres that stands for RDS: a real server on loopback, made from planned values."""

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources.given import Given
from catchwater.infra.twin.resources.kind import Account, Kind, found

GONE = "DBSubnetGroupNotFoundFault"


def _group(to: Account, given: Given, prior: Values | None) -> Values:
    if prior is not None:
        return {}
    to.client("rds").create_db_subnet_group(
        DBSubnetGroupName=given["name"], DBSubnetGroupDescription=given["description"] or "Managed by Terraform",
        SubnetIds=given["subnet_ids"],
    )  # fmt: skip
    arn = f"arn:aws:rds:{to.region}:{to.account}:subgrp:{given['name']}"
    return {"id": given["name"], "arn": arn, "name_prefix": "", "supported_network_types": ["IPV4"], "vpc_id": ""}


def _group_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("rds").describe_db_subnet_groups, GONE, DBSubnetGroupName=state["name"])
    return answer and {"description": answer["DBSubnetGroups"][0]["DBSubnetGroupDescription"]}


def _instance(to: Account, given: Given, prior: Values | None) -> Values:
    """The database, its owner and the password are as planned; what the machine would be is only noted."""
    given["password_wo_version"]
    name = given["identifier"]
    if prior is not None:
        return {}
    password = given["password_wo"] or given["password"]
    address = to.database(given["db_name"], given["username"], password, int(given["port"] or 5432))
    arn = f"arn:aws:rds:{to.region}:{to.account}:db:{name}"
    return {"id": f"db-{name}", "arn": arn, "address": address, "endpoint": f"{address}:{given['port']}",
            "status": "available", "resource_id": f"db-{name}", "engine_version_actual": given["engine_version"],
            "identifier_prefix": "", "has_password_wo": True}  # fmt: skip


def _instance_now(to: Account, state: Values) -> Values | None:
    return {"address": state["address"]} if to.database_is_there() else None


KINDS = {
    "aws_db_subnet_group": Kind(
        _group, _group_now, lambda to, state: to.client("rds").delete_db_subnet_group(DBSubnetGroupName=state["name"])
    ),
    "aws_db_instance": Kind(_instance, _instance_now, lambda *_: None),
}
