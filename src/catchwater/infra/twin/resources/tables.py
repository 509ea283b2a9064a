"""The table that holds the locks of Terraform's state where the project asks for it, from planned values."""

from catchwater.infra.offline.protocol import Values
from catchwater.infra.twin.resources.given import Given
from catchwater.infra.twin.resources.kind import Account, Kind, found


def _table(to: Account, given: Given, prior: Values | None) -> Values:
    name = given["name"]
    attributes = [{"AttributeName": one["name"], "AttributeType": one["type"]} for one in given.blocks("attribute")]
    if prior is None:
        to.client("dynamodb").create_table(
            TableName=name, AttributeDefinitions=attributes, BillingMode=given["billing_mode"] or "PROVISIONED",
            KeySchema=[{"AttributeName": given["hash_key"], "KeyType": "HASH"}],
        )  # fmt: skip
    return {"id": name, "arn": f"arn:aws:dynamodb:{to.region}:{to.account}:table/{name}"}


def _table_now(to: Account, state: Values) -> Values | None:
    answer = found(to.client("dynamodb").describe_table, "ResourceNotFoundException", TableName=state["name"])
    return answer and {"hash_key": answer["Table"]["KeySchema"][0]["AttributeName"]}


KINDS = {
    "aws_dynamodb_table": Kind(
        _table, _table_now, lambda to, state: to.client("dynamodb").delete_table(TableName=state["name"])
    ),
}
