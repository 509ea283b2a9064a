"""The warehouse stack of Google Cloud: a BigQuery dataset with the tables that the models describe."""

import re
from collections.abc import Iterator

from catchwater.adapters.warehouses.bigquery_apply import stored
from catchwater.adapters.warehouses.bigquery_types import held
from catchwater.adapters.warehouses.changes import table_of
from catchwater.infra.google import access, places, policies
from catchwater.infra.hcl import Raw, Value
from catchwater.infra.roots import Call, Root, Variable
from catchwater.plan.plan import Model, Plan
from catchwater.project.tables import Column

PURPOSE = "The warehouse: a dataset, the tables of the models, who loads and who reads it."
_API = {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}  # as BigQuery's REST interface names them
_TYPE = re.compile(r"(\w+)(?:\((\d+)(?:,(\d+))?\))?")


def root(plan: Plan) -> Root | None:
    if plan.warehouse["kind"] != "bigquery":
        return None
    arguments: dict[str, Value] = {
        "name": places.dataset(plan),
        "location": places.region(plan),
        "purpose": f"The warehouse of {plan.project} in {plan.environment}",
        "tables": tables(plan),
        "access": _access(plan),
        "protected": Raw("var.protect_tables"),
    }
    said = "Whether a table is kept when its model is gone or changes its type; false for one apply lets it go."
    return Root(
        cloud="google",
        stack="warehouse",
        calls=(Call("dataset", "warehouse", arguments, "Markers, views and what is staged are made by the load"),),
        variables=(Variable("protect_tables", said, "bool", default=True, required=False),),
        outputs={"dataset": Raw("module.warehouse.name")},
        purpose=PURPOSE,
    )


def tables(plan: Plan) -> dict[str, Value]:
    """Every table that holds rows of a model, with the columns that the load expects of it; views are the load's.

    Raises WarehouseError for a type that BigQuery can't hold.
    """
    found: dict[str, Value] = {}
    for model in plan.models:
        if model.materialized == "view":
            continue
        table = table_of(model)
        columns = [_column(stored(table), column) for column in table.stored]
        for called in filter(None, (stored(table), table.current)):
            found[called] = {"description": _description(model, called), "columns": columns}
    return found


def _description(model: Model, called: str) -> str:
    if called == model.name:
        return model.description
    return f"{model.description} (the latest version of each)" if called.endswith("_current") else model.description


def _column(table: str, column: Column) -> dict[str, Value]:
    match = _TYPE.fullmatch(held(table, column).type)
    kind, precision, scale = match.groups() if match else (column.type, None, None)
    found: dict[str, Value] = {"name": column.name, "type": _API.get(kind, kind), "description": column.description}
    found |= {"precision": precision} if precision else {}
    return found | ({"scale": scale} if scale else {})


def _access(plan: Plan) -> dict[str, Value]:
    return dict(sorted(_members(plan)))


def _members(plan: Plan) -> Iterator[tuple[str, Value]]:
    path = f"projects/{places.project(plan)}/datasets/{places.dataset(plan)}"
    for role in (policies.EDITOR, policies.READER):
        for account, member in access.members(plan, role, path).items():
            yield account, {"role": role, "member": member}
