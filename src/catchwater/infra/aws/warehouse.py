"""The warehouse stack of AWS: a Postgres on RDS in the declared network, and its URL in the secret that steps read."""

from catchwater.infra.aws import places, storage
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.names import label, name
from catchwater.infra.roots import Call, Root, Variable
from catchwater.plan.plan import Plan

PURPOSE = "The warehouse, and the secret that holds its URL. Its password is in no state: keep it yourself."
INSTANCE, STORAGE = "db.t4g.micro", 20


def root(plan: Plan) -> Root | None:
    """None where the warehouse isn't a Postgres, or where no network says in which VPC it could be."""
    declared = places.network(plan)
    secret = storage.written(plan)
    if not declared or not secret:
        return None
    database = plan.project
    arguments: dict[str, Value] = {
        "name": name(plan, "database", "warehouse"),
        "database": database,
        "password": Raw("var.warehouse_password"),
        "password_version": Raw("var.warehouse_password_version"),
        "instance_class": INSTANCE,
        "storage": STORAGE,
        "network": places.joined(plan, declared),
    }
    opened = Call(
        "secret",
        label("secret", secret),
        {
            "name": places.secret(plan, secret),
            "description": "The URL of the warehouse",
            "value": Raw('replace(module.warehouse.url, "PASSWORD", urlencode(var.warehouse_password))'),
            "value_version": Raw("var.warehouse_password_version"),
        },
        "Written by Terraform, in no state",
    )
    return Root(
        "aws",
        "warehouse",
        (Call("postgres", "warehouse", arguments, "The Postgres that models are loaded into"), opened),
        (
            Variable("warehouse_password", "Password of the warehouse's owner.", ephemeral=True),
            Variable(
                "warehouse_password_version", "Raise it to set another password.", "number", default=1, required=False
            ),
        ),
        {"address": Raw("module.warehouse.address")},
        purpose=PURPOSE,
    )
