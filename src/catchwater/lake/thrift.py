"""Thrift's compact protocol, in which the footers of Parquet files are written; what their fields mean isn't known.

After thrift-compact-protocol.md of Apache Thrift. A struct is `{field: (type, value)}`, a list `(type, values)`;
numbers are int, texts bytes, and doubles their eight bytes, so that what was read is written as it was.
"""

from typing import Any

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)

Struct = dict[int, tuple[int, Any]]


class Unreadable(ValueError):
    """Bytes that aren't Thrift, or hold what Parquet has no use for (maps)."""


class Reader:
    """Structs out of bytes. Raises Unreadable, also where the bytes end too early."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def struct(self, upto: int = 0) -> Struct:
        """One struct, or what stands of it before and in the field `upto`."""
        found: Struct = {}
        field = 0
        while upto not in found and (header := self._byte()):
            kind, step = header & 0x0F, header >> 4
            field = field + step if step else self._signed()
            found[field] = (kind, self.value(kind))
        return found

    def value(self, kind: int) -> Any:
        if kind in (I16, I32, I64):
            return self._signed()
        if kind == BINARY:
            return self._bytes(self._number())
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            return self._list()
        return self._plain(kind)

    def _plain(self, kind: int) -> Any:
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BYTE:
            return self._byte()
        if kind == DOUBLE:
            return self._bytes(8)
        raise Unreadable(f"a value of type {kind}")

    def _list(self) -> tuple[int, list[Any]]:
        header = self._byte()
        size, kind = header >> 4, header & 0x0F
        if size == 15:
            size = self._number()
        if kind in (TRUE, FALSE):
            return kind, [self._byte() == TRUE for _ in range(size)]
        return kind, [self.value(kind) for _ in range(size)]

    def _byte(self) -> int:
        at = self.at
        self.at = at + 1
        try:
            return self.data[at]
        except IndexError as error:
            raise Unreadable("the bytes end too early") from error

    def _bytes(self, size: int) -> bytes:
        found = self.data[self.at : self.at + size]
        if len(found) != size:
            raise Unreadable("the bytes end too early")
        self.at += size
        return found

    def _number(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
        return value | byte << shift

    def _signed(self) -> int:
        value = self._number()
        return (value >> 1) ^ -(value & 1)


def written(struct: Struct) -> bytes:
    """The bytes of a struct."""
    out = bytearray()
    _struct(out, struct)
    return bytes(out)


def _struct(out: bytearray, struct: Struct) -> None:
    before = 0
    for field, (kind, value) in sorted(struct.items()):
        if kind in (TRUE, FALSE):
            kind = TRUE if value else FALSE
        if 0 < field - before < 16:
            out.append(field - before << 4 | kind)
        else:
            out.append(kind)
            out += signed(field)
        before = field
        if kind not in (TRUE, FALSE):
            _value(out, kind, value)
    out.append(0)


def _value(out: bytearray, kind: int, value: Any) -> None:
    if kind in (I16, I32, I64):
        out += signed(value)
    elif kind == BINARY:
        out += number(len(value)) + value
    elif kind == STRUCT:
        _struct(out, value)
    elif kind in (LIST, SET):
        _list(out, *value)
    elif kind == DOUBLE:
        out += value
    else:
        out.append(value if kind == BYTE else TRUE if value else FALSE)


def _list(out: bytearray, kind: int, values: list[Any]) -> None:
    out += bytes([len(values) << 4 | kind]) if len(values) < 15 else bytes([0xF0 | kind]) + number(len(values))
    for value in values:
        _value(out, kind, value)


def number(value: int) -> bytes:
    """A number from 0 as a varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value: int) -> bytes:
    """A number of either sign as a zigzag varint."""
    return number(value << 1 if value >= 0 else (-value << 1) - 1)
