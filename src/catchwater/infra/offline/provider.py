"""A provider of Terraform that serves a schema document and plans as the real one would; it creates nothing itself.

Subclass `Provider` to make what Terraform applies real somewhere: `create`, `update`, `read`, `delete`, `read_data`
take and give plain values by argument name. By default everything that is computed is invented, always the same.
"""

from collections.abc import Mapping
from typing import Any

from catchwater.infra.offline import answers, tables, values
from catchwater.infra.offline.bindings import Schema
from catchwater.infra.offline.protocol import UNKNOWN, Path, Problem, Values, nested, planned, unknown, without_written

_LABELS = {"tags": ("tags_all",), "labels": ("effective_labels", "terraform_labels")}


class Refused(Exception):
    """Arguments that break a rule, which only apply could see."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(problem.message for problem in problems))


class Provider:
    """One provider; `document` is `Schemas.document()`. Every method may be called from several threads at once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        ((self.source, schemas),) = document["provider_schemas"].items()
        self.cloud = self.source.rsplit("/", 1)[1]
        self.schema: Schema = schemas["provider"]
        self.resources: dict[str, Schema] = schemas["resource_schemas"]
        self.data: dict[str, Schema] = schemas["data_source_schemas"]
        self.settings: Values = {}

    # What a subclass may do otherwise.

    def configure(self, config: Values) -> None:
        """The `provider` block of the root that is being planned or applied."""
        self.settings = config

    def create(self, type_name: str, planned: Values, config: Values) -> Values:
        """Make it, and say the computed attributes; `config` holds write-only arguments, `planned` never does."""
        return self.invented(type_name, planned)

    def update(self, type_name: str, prior: Values, planned: Values, config: Values) -> Values:
        """Change it in place, and say the computed attributes that are unknown in `planned`."""
        return self.invented(type_name, planned)

    def read(self, type_name: str, state: Values) -> Values | None:
        """The resource as it is now, None when it is gone."""
        return state

    def delete(self, type_name: str, state: Values) -> None:
        """Remove it."""

    def read_data(self, type_name: str, config: Values) -> Values:
        """The computed attributes of a data source."""
        made = planned(self.data[type_name]["block"], config)
        known = answers.data(type_name, made, self.place())
        return self.invented(type_name, {**made, **known}, self.data[type_name]["block"]) | known

    def validate(self, type_name: str, config: Values) -> list[Problem]:
        """What the schema can't say of a resource's arguments."""
        return values.problems(type_name, config)

    def validate_data(self, type_name: str, config: Values) -> list[Problem]:
        """The same of a data source's arguments."""
        return values.problems(f"data.{type_name}", config)

    # What Terraform asks.

    def place(self) -> answers.Place:
        return answers.Place.of(self.cloud, self.settings)

    def invented(self, type_name: str, made: Values, schema: Schema | None = None) -> Values:
        """`made` with a value for everything that is unknown in it, the same for the same arguments."""
        return answers.invented(type_name, made, schema or self.resources[type_name]["block"], self.place())

    def plan(self, type_name: str, prior: Values | None, proposed: Values) -> tuple[Values, list[Path]]:
        """The planned values, and the paths of changed arguments that need another resource in its place."""
        schema = self.resources[type_name]["block"]
        if prior is None:
            return self._labelled(type_name, planned(schema, proposed)), []
        made = self._changed(type_name, prior, without_written(schema, proposed))
        changed = sorted(name for name in made if made[name] != prior.get(name))
        return made, [(name,) for name in changed if name in tables.force_new(type_name)]

    def _changed(self, type_name: str, prior: Values, proposed: Values) -> Values:
        blocks = self.resources[type_name]["block"].get("block_types", {})
        moved = {name: one for name, one in blocks.items() if proposed.get(name) != prior.get(name)}
        made = nested({"block_types": moved}, proposed, planned)
        for labels, computed in _LABELS.items():
            if labels in made and made[labels] != prior.get(labels):
                made |= {name: UNKNOWN for name in computed if name in made}
        return self._labelled(type_name, made)

    def _labelled(self, type_name: str, made: Values) -> Values:
        """Tags and labels of the provider block stand in the plan, as the real providers have it."""
        return made | answers.labels(made, self.settings)

    def apply(self, type_name: str, prior: Values | None, planned: Values | None, config: Values) -> Values | None:
        """The new state of a resource that is created (no prior), updated, or deleted (nothing planned)."""
        if planned is None:
            self.delete(type_name, prior or {})
            return None
        if wrong := self.validate(type_name, config):  # what wasn't known when Terraform asked before
            raise Refused(wrong)
        said = (
            self.create(type_name, planned, config) if prior is None else self.update(type_name, prior, planned, config)
        )
        schema = self.resources[type_name]["block"]
        told = {name: said.get(name) if unknown(value) else value for name, value in planned.items()}
        return without_written(schema, settled(schema, self._blocks(schema, told, said)))

    def _blocks(self, schema: Schema, told: Values, said: Values) -> Values:
        """Blocks that hold computed attributes are taken whole from what was said, when it says them."""
        names = [name for name in schema.get("block_types", {}) if said.get(name)]
        return told | {name: said[name] for name in names}


def settled(schema: Schema, made: Values) -> Values:
    """What nobody said is null."""
    plain = {name: None if unknown(value) else value for name, value in made.items()}
    return nested(schema, plain, settled)
