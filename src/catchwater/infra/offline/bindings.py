"""A resource's schema read out of the bindings generated from it (CDK for Terraform's JavaScript); text in, data out.

What such a binding says of each attribute: a comment `// name - computed: …, optional: …, required: …`, a getter, and
in `synthesizeHclAttributes` (or the struct's `…ToHclTerraform`) its storage: `isBlock`, `type`, `storageClassType`.
What it doesn't say (sensitive, write-only, force-new, defaults, enumerations) is in `tables.py` and `values.py`.
"""

import re
from dataclasses import dataclass, field
from typing import Any

Type = str | list[Any]
Schema = dict[str, Any]

_CLASS = re.compile(r"^class (\w+) extends cdktn\.(\w+) \{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_STRUCT = re.compile(r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_MEMBER = re.compile(r"^    // (\S+) - computed: (\w+), optional: (\w+), required: (\w+)\n", re.MULTILINE)
_STORAGE = re.compile(
    r'^ +"?([\w-]+)"?: \{\n +value: .*\n(?: .*\n)?? +isBlock: (\w+),\n +type: "(\w+)",\n +storageClassType: "(\w+)"',
    re.MULTILINE,
)
_NESTED = re.compile(r'= new (cdktn\.)?(\w+)\(this, "[^"]+"(?:, (true|false))?\)')
_GETTER = re.compile(r"this\.get(\w+)Attribute\(")
_IMPORTED = re.compile(r"\b(?:index(?:_structs)?|structs\d+)_\d+\.")
_HEAD = re.compile(r'^class (\w+) extends cdktn\.Terraform(\w+) \{.*?static tfResourceType = "([^"]+)"', re.M | re.S)

_PLAIN: dict[str, Type] = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
_GOT: dict[str, Type] = {
    "String": "string", "Number": "number", "Boolean": "bool", "List": ["list", "string"],
    "NumberList": ["list", "number"], "StringMap": ["map", "string"], "NumberMap": ["map", "number"],
    "BooleanMap": ["map", "bool"], "AnyMap": ["map", "dynamic"], "StringMapList": ["list", ["map", "string"]],
}  # fmt: skip
_NESTING = {"list": "list", "set": "set", "struct": "single", "map": "map"}
KINDS = {"Resource": "resource_schemas", "DataSource": "data_source_schemas", "Provider": "provider"}


class BindingUnread(Exception):
    """A binding that isn't written as this reader expects: the type is left out, with the reason."""


@dataclass(frozen=True)
class Storage:
    """How a value is written in HCL: as a block or not, its collection, and the class or plain type of an element."""

    block: bool
    collection: str
    element: str

    def type(self) -> Type:
        plain = _stored(self.element)
        return ["set", plain[1]] if self.collection == "set" and plain[0] == "list" else plain


def _stored(element: str) -> Type:
    for ending, collection in (("List", "list"), ("Map", "map")):
        if element.endswith(ending):
            return [collection, _stored(element.removesuffix(ending))]
    if element not in _PLAIN:
        raise BindingUnread(f"no type is called {element}")
    return _PLAIN[element]


@dataclass(frozen=True)
class Member:
    """One attribute or block of a class as its comment declares it, and the code that follows."""

    name: str
    computed: bool
    optional: bool
    required: bool
    code: str

    def marks(self) -> dict[str, bool]:
        found = {"required": self.required, "optional": self.optional, "computed": self.computed}
        return {mark: True for mark, is_so in found.items() if is_so} or {"optional": True}


@dataclass
class Binding:
    """One library of the bindings: `head` is the class of the resource, data source or provider."""

    head: str
    kind: str
    type: str
    bases: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    structs: dict[str, str] = field(default_factory=dict)
    made: dict[str, Schema] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, text: str) -> "Binding | None":
        """None for a library that holds no resource, data source or provider (functions, indexes)."""
        text = _IMPORTED.sub("", re.sub(r"^//# sourceMappingURL.*$", "", text, flags=re.MULTILINE))
        found = _HEAD.search(text)
        if not found or found[2] not in KINDS:
            return None
        made = cls(found[1], KINDS[found[2]], found[3])
        for one in _CLASS.finditer(text):
            made.bases[one[1]], made.bodies[one[1]] = one[2], one[3]
        made.structs = {one[1]: one[2] for one in _STRUCT.finditer(text)}
        return made

    def schema(self) -> Schema:
        """`{"version": 0, "block": …}` as in `terraform providers schema -json`."""
        block = self.block(self.head)
        if self.kind == "provider":
            block["attributes"].pop("alias", None)  # Terraform's own, not the provider's
        return {"version": 0, "block": block}

    def block(self, name: str) -> Schema:
        if name in self.made:
            return self.made[name]
        if name in self.open:
            raise BindingUnread(f"{name} holds itself")
        self.open.add(name)
        stored = self.storage(name)
        made: Schema = {"attributes": {}, "block_types": {}}
        for member in self.members(name):
            part, schema = self.member(member, stored.get(member.name))
            made[part][member.name] = schema
        self.open.discard(name)
        self.made[name] = made
        return made

    def members(self, name: str) -> list[Member]:
        body = self.bodies[name].split("// SYNTHESIS")[0]
        found = list(_MEMBER.finditer(body))
        ends = [one.start() for one in found[1:]] + [len(body)] * bool(found)
        return [
            Member(one[1], one[2] == "true", one[3] == "true", one[4] == "true", body[one.end() : end])
            for one, end in zip(found, ends, strict=True)
        ]

    def storage(self, name: str) -> dict[str, Storage]:
        if self.bases[name].startswith("Terraform"):
            text = self.bodies[name].partition("synthesizeHclAttributes")[2]
        else:
            text = self.structs.get(_lowered(name.removesuffix("OutputReference")), "")
        return _storages(text)

    def member(self, member: Member, stored: Storage | None) -> tuple[str, Schema]:
        """Where a member belongs (`attributes` or `block_types`) and its schema."""
        nested = _NESTED.search(member.code)
        if nested and not nested[1]:
            return self.nested(member, stored, nested[2], nested[3] == "true")
        if stored and stored.element[0].isupper():  # a provider's block: no class, only its struct
            return "block_types", self.struct_block(stored)
        if stored:
            return "attributes", {"type": stored.type(), **member.marks()}
        if nested:
            return "attributes", {"type": _got(nested[2]), **member.marks()}
        getter = _GETTER.search(member.code)
        kind = _got(getter[1]) if getter else "dynamic"
        if "Fn.tolist(" in member.code and kind[0] == "list":
            kind = ["set", kind[1]]
        return "attributes", {"type": kind, **member.marks()}

    def nested(self, member: Member, stored: Storage | None, name: str, wraps_set: bool) -> tuple[str, Schema]:
        if name not in self.bases:
            raise BindingUnread(f"{member.name} is of {name}, which isn't there")
        element = self.element(name)
        block, single = self.block(element), element == name
        if stored and stored.block and not member.computed:
            schema: Schema = {"nesting_mode": _NESTING[stored.collection], "block": block}
            if schema["nesting_mode"] in ("list", "set"):
                schema |= {"min_items": 1} if member.required else {}
                schema |= {"max_items": 1} if single else {}
            return "block_types", schema
        kind: Type = ["object", as_object(block)]
        if not (single and stored and stored.collection == "struct"):
            collection = "set" if wraps_set else "map" if self.bases[name] == "ComplexMap" else "list"
            kind = [collection, kind]
        return "attributes", {"type": kind, **member.marks()}

    def element(self, name: str) -> str:
        """The class of one element of a list or map class, else the class itself."""
        if self.bases[name] not in ("ComplexList", "ComplexMap", "MapList"):
            return name
        found = re.search(r"return new (\w+)\(", self.bodies[name])
        if not found:
            raise BindingUnread(f"{name} says not what it holds")
        return found[1]

    def struct_block(self, stored: Storage) -> Schema:
        """A block of the provider itself: all of it optional, as the binding doesn't say."""
        name = _lowered(re.sub(r"(List|OutputReference)$", "", stored.element))
        made: Schema = {"attributes": {}, "block_types": {}}
        for part, inner in _storages(self.structs[name]).items():
            if inner.block:
                made["block_types"][part] = self.struct_block(inner)
            else:
                made["attributes"][part] = {"type": inner.type(), "optional": True}
        return {"nesting_mode": _NESTING[stored.collection], "block": made}


def _lowered(name: str) -> str:
    return name[0].lower() + name[1:]


def _got(name: str) -> Type:
    if name not in _GOT:
        raise BindingUnread(f"no getter is called {name}")
    return _GOT[name]


def _storages(text: str) -> dict[str, Storage]:
    return {one[1]: Storage(one[2] == "true", one[3], one[4]) for one in _STORAGE.finditer(text)}


def as_object(block: Schema) -> dict[str, Type]:
    """The attribute types of a block's value."""
    found: dict[str, Type] = {name: one["type"] for name, one in block["attributes"].items()}
    for name, nested in block["block_types"].items():
        inner: Type = ["object", as_object(nested["block"])]
        found[name] = inner if nested["nesting_mode"] == "single" else [nested["nesting_mode"], inner]
    return found
