"""Values of every type that a column of Postgres can have, as its input functions take them: edges, and made by a seed."""

import random
import string
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle, islice

LEAST = 60

LETTERS = [
    *string.printable, "é", "e\u0301", "ß", "İ", "漢", "😀", "👩\u200d👩\u200d👧", "\u202e", "\ufeff", "\u00a0", "\u2028", "\U0010ffff", "ﬁ",
]  # fmt: skip
TEXTS = [
    "", " ", "x", " spaces ", "tab\tnew\nline\r", "'\"\\", "\\N", "NULL", "null", "é漢😀", "e\u0301", "\U0010ffff",
    "a" * 100_000, "漢" * 5_000, "{}", "[]", "0", "-0", "NaN", "infinity", "2024-02-30", "\x01\x7f", "\u202eright",
    "$1", "%s", "{0}", ";--", "1=2", "0=x",
]  # fmt: skip
WHOLE = ["0", "1", "-1", "9", "10", "-10"]
SINGLES = [
    "0", "-0", "NaN", "Infinity", "-Infinity", "1e-45", "1.1754944e-38", "3.4028235e38", "-3.4028235e38", "0.1",
    "16777216", "16777217", "1e20", "-2.5e-17",
]  # fmt: skip
DOUBLES = [
    *SINGLES, "5e-324", "2.2250738585072014e-308", "1.7976931348623157e308", "-1.7976931348623157e308", "9007199254740993",
    "0.30000000000000004", "1e22", "1e23", "123456789.123456789",
]  # fmt: skip
NUMBERS = [
    "0", "0.0", "-0", "NaN", "Infinity", "-Infinity", "1.10", "1e-400", "9" * 131_072, "0." + "0" * 16_000 + "1",
    "-" + "9" * 39, "0.00000000000000000000000000000000000001", "12345678901234567890.123456789012345678901",
]  # fmt: skip
DAYS = [
    "infinity", "-infinity", "4713-01-01 BC", "0001-12-31 BC", "0001-01-01", "0099-12-31", "0999-01-01", "1582-10-04",
    "1582-10-15", "1900-02-28", "1969-12-31", "1970-01-01", "2000-02-29", "2024-02-29", "9999-12-31", "10000-01-01",
    "294276-12-31", "5874897-12-31",
]  # fmt: skip
HOURS = ["00:00:00", "00:00:00.000001", "12:00", "23:59:59.999999", "23:59:60", "24:00:00", "04:05:06.789"]
MOMENTS = [
    "infinity", "-infinity", "4713-01-01 00:00:00 BC", "0001-12-31 23:59:59.999999 BC", "0001-01-01 00:00:00",
    "1582-10-04 12:00:00", "1969-12-31 23:59:59.999999", "1970-01-01 00:00:00", "2016-12-31 23:59:60",
    "2024-02-29 12:34:56.789012", "9999-12-31 23:59:59.999999", "10000-01-01 00:00:00", "294276-12-31 23:59:59.999999",
]  # fmt: skip
ZONES = ["+00", "+14", "-12", "+05:30", "-03:30", "+00:00:01", "-15:59:59"]
SPANS = [
    "0", "1 year -2 mons 3 days 04:05:06.789", "-178000000 years", "178000000 years", "1 mon", "30 days", "720:00:00", "24:00:00",
    "-00:00:00.000001", "1 day -23:59:59.999999", "-1 year -1 mon -1 day -01:01:01.1",
]  # fmt: skip
DOCUMENTS = [
    "null", "true", '""', "0", "-0", "1.10", "1e400", "{}", "[]", '{"b":1, "a": [1,2]}', '{"a":1,"a":2}', ' [ 1 , 2 ] ',
    '"\\u00e9\\n\\"é漢😀"', '{"": {"": {}}}', "123456789012345678901234567890.1234567890", "[[[[[[]]]]]]",
]  # fmt: skip
ADDRESSES = [
    "0.0.0.0/32", "255.255.255.255", "192.168.0.1/24", "10.1.2.3/0", "::", "::1", "::ffff:1.2.3.4", "2001:db8::/32", "fe80::1/128",
]  # fmt: skip
NETWORKS = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "192.168.100.128/25",
    "1.2.3.4/32",
    "::/0",
    "2001:db8::/32",
    "::ffff:1.2.3.0/120",
]
POINTS = ["(0,0)", "(-0,NaN)", "(Infinity,-Infinity)", "(1e-300,1e300)", "(0.1,-2.5)"]


def text(chance: random.Random) -> str:
    return "".join(chance.choices(LETTERS, k=chance.randrange(0, 40)))


def number(chance: random.Random) -> str:
    digits = "".join(chance.choices(string.digits, k=chance.randrange(1, 60)))
    return f"{chance.choice(['', '-'])}{digits}.{chance.randrange(10 ** chance.randrange(1, 20))}e{chance.randrange(-30, 30)}"


def day(chance: random.Random) -> str:
    return f"{chance.randrange(1, 12_000):04}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"


def hour(chance: random.Random) -> str:
    return f"{chance.randrange(24):02}:{chance.randrange(60):02}:{chance.randrange(60):02}.{chance.randrange(1_000_000):06}"


def moment(chance: random.Random) -> str:
    return f"{day(chance)} {hour(chance)}"


def span(chance: random.Random) -> str:
    parts = [chance.randrange(-5_000, 5_000) for _ in range(3)]
    return f"{parts[0]} years {parts[1]} mons {parts[2]} days {hour(chance)}"


def bits(chance: random.Random) -> str:
    return "".join(chance.choices("01", k=chance.randrange(1, 80)))


def hexes(count: int, by: str = ":") -> Callable[[random.Random], str]:
    return lambda chance: by.join(f"{chance.randrange(256):02x}" for _ in range(count))


def below(low: int, high: int) -> Callable[[random.Random], str]:
    return lambda chance: str(chance.randrange(low, high))


def double(chance: random.Random) -> str:
    return repr(chance.uniform(-1, 1) * 10.0 ** chance.randrange(-300, 300))


def single(chance: random.Random) -> str:
    return f"{chance.uniform(-1, 1) * 10.0 ** chance.randrange(-36, 37):.8e}"


def point(chance: random.Random) -> str:
    return f"({double(chance)},{double(chance)})"


def points(count: int, form: str) -> Callable[[random.Random], str]:
    return lambda chance: form.format(",".join(point(chance) for _ in range(count)))


def document(chance: random.Random) -> str:
    import json

    words = [text(chance).replace("\x00", "") for _ in range(3)]
    return json.dumps({words[0]: [chance.random(), words[1], None, {words[2]: chance.choice([True, 12, -0.5])}]},
                      ensure_ascii=chance.random() < 0.5)  # fmt: skip


def lexemes(chance: random.Random) -> str:
    words = ["".join(chance.choices(string.ascii_lowercase + "é漢", k=5)) for _ in range(3)]
    return " ".join(f"'{word}':{chance.randrange(1, 16_000)}{chance.choice(['', 'A', 'B'])}" for word in words)


def query(chance: random.Random) -> str:
    words = ["".join(chance.choices(string.ascii_lowercase, k=4)) for _ in range(3)]
    return f"'{words[0]}' & ( '{words[1]}':*A | !'{words[2]}' )"


def lsn(chance: random.Random) -> str:
    return f"{chance.randrange(1 << 32):X}/{chance.randrange(1 << 32):X}"


def snapshot(chance: random.Random) -> str:
    low = chance.randrange(1, 1 << 40)
    return f"{low}:{low + 10}:{low + 2},{low + 5}"


def ranged(of: Callable[[random.Random], str], order: Callable[[str], object]) -> Callable[[random.Random], str]:
    def made(chance: random.Random) -> str:
        low, high = sorted((of(chance), of(chance)), key=order)  # type: ignore[type-var, arg-type]
        left, right = chance.choice("[("), chance.choice("])")
        return f'{left}"{low}","{high}"{right}' if low != high else "empty"

    return made


def years(text: str) -> object:
    """The order of moments whose years have four digits or five."""
    return text.index("-"), text


def several(of: Callable[[random.Random], str]) -> Callable[[random.Random], str]:
    return lambda chance: "{" + ",".join(of(chance) for _ in range(chance.randrange(0, 4))) + "}"


Made = tuple[Sequence[str], Callable[[random.Random], str]]
_int4, _int8 = below(-(1 << 31), (1 << 31) - 1), below(-(1 << 63), (1 << 63) - 1)
_range4, _range8 = ranged(_int4, int), ranged(_int8, int)
_num = below(-(10**30), 10**30)
_numrange, _daterange = ranged(_num, int), ranged(day, years)
_tsrange, _tstzrange = ranged(moment, years), ranged(lambda chance: moment(chance) + "+00", years)
RANGES = ["empty", "(,)", "[,]"]

TYPES: Mapping[str, Made] = {
    "bool": (["t", "f"], lambda chance: chance.choice("tf")),
    "bytea": (["\\x", "\\x00", "\\x" + bytes(range(256)).hex(), "\\x" + "ff" * 50_000], lambda c: "\\x" + c.randbytes(c.randrange(50)).hex()),
    "char": ([*"aZ0~ b"], lambda chance: chance.choice(string.ascii_letters)),
    "name": (["a", "A name", "é" * 31, "x" * 63, '"q"'], lambda c: "".join(c.choices(string.ascii_letters, k=c.randrange(1, 60)))),
    "int2": ([*WHOLE, "-32768", "32767"], below(-32_768, 32_768)),
    "int4": ([*WHOLE, "-2147483648", "2147483647"], _int4),
    "int8": ([*WHOLE, "-9223372036854775808", "9223372036854775807"], _int8),
    "int2vector": (["", "1", "1 2 3 -4"], lambda c: " ".join(below(-9, 9)(c) for _ in range(3))),
    "oidvector": (["", "1", "1 2 3 4294967295"], lambda c: " ".join(below(0, 9_999)(c) for _ in range(3))),
    "text": (TEXTS, text),
    "varchar": (TEXTS, text),
    "bpchar": (TEXTS, text),
    "oid": (["0", "1", "4294967295"], below(0, 1 << 32)),
    "tid": (["(0,1)", "(4294967295,65535)"], lambda c: f"({c.randrange(1 << 32)},{c.randrange(1 << 16)})"),
    "xid": (["0", "3", "4294967295"], below(0, 1 << 32)),
    "cid": (["0", "4294967295"], below(0, 1 << 32)),
    "xid8": (["0", "18446744073709551615"], below(0, 1 << 64)),
    "json": (DOCUMENTS, document),
    "jsonb": (["null", *(one for one in DOCUMENTS if "e400" not in one)], document),
    "jsonpath": (["$", "$.a[*]", '$."é" ? (@ > 1.5)', "strict $.a.size()"], lambda c: f"$.k{c.randrange(99)}[{c.randrange(9)}]"),
    "xml": (["", "<a/>", "<a>é漢😀</a>", "text", "<?xml version=\"1.0\"?><a b='c'>\n</a>"], lambda c: f"<n>{c.randrange(99)}&lt;</n>"),
    "point": (POINTS, point),
    "lseg": (["[(0,0),(1,1)]"], points(2, "[{}]")),
    "path": (["[(0,0),(1,1)]", "((0,0),(1,1),(2,0))"], points(3, "[{}]")),
    "box": (["(1,1),(0,0)", "(Infinity,1),(0,-Infinity)"], points(2, "{}")),
    "polygon": (["((0,0))", "((0,0),(1,1),(2,0))"], points(3, "({})")),
    "line": (["{1,-1,0}", "{0,1,2.5}"], lambda c: f"{{{c.uniform(1, 9)!r},{double(c)},{double(c)}}}"),
    "circle": (["<(0,0),0>", "<(1,2),Infinity>"], lambda c: f"<{point(c)},{abs(c.gauss(0, 9))!r}>"),
    "float4": (SINGLES, single),
    "float8": (DOUBLES, double),
    "money": (["0", "-12.34", "92233720368547758.07", "-92233720368547758.08"], lambda c: f"{c.randrange(-(10**12), 10**12)}.{c.randrange(100):02}"),
    "numeric": (NUMBERS, number),
    "macaddr": (["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"], hexes(6)),
    "macaddr8": (["00:00:00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff:ff:ff"], hexes(8)),
    "inet": (ADDRESSES, lambda c: ".".join(str(c.randrange(256)) for _ in range(4)) + f"/{c.randrange(33)}"),
    "cidr": (NETWORKS, lambda c: f"{c.randrange(256)}.{c.randrange(256)}.0.0/{c.randrange(16, 33)}"),
    "date": (DAYS, day),
    "time": (HOURS, hour),
    "timetz": ([hour + zone for hour, zone in zip(HOURS, ZONES, strict=True)], lambda c: hour(c) + c.choice(ZONES)),
    "timestamp": (MOMENTS, moment),
    "timestamptz": ([f"{one}" if "infinity" in one else one.replace(" BC", "+00 BC") if "BC" in one else one + "+00" for one in MOMENTS],
                    lambda c: moment(c) + c.choice(ZONES[:5])),
    "interval": (SPANS, span),
    "bit": (["0", "1"], lambda c: c.choice("01")),
    "varbit": (["", "0", "1" * 1_000], bits),
    "uuid": (["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"], hexes(16, "")),
    "refcursor": (["", "a cursor"], text),
    "aclitem": (["=r/postgres", "postgres=arwdDxt/postgres"], lambda c: f"postgres={c.choice('arwd')}/postgres"),
    "pg_lsn": (["0/0", "FFFFFFFF/FFFFFFFF"], lsn),
    "tsvector": (["", "'a':1 'b':2A,3", "'it''s'"], lexemes),
    "tsquery": (["", "'a' & 'b'", "!'a' <-> 'b c'"], query),
    "txid_snapshot": (["1:1:", "10:20:10,14,15"], snapshot),
    "pg_snapshot": (["1:1:", "10:20:10,14,15"], snapshot),
    "int4range": ([*RANGES, "[1,10)", "(,5]", "[2147483646,2147483647)"], _range4),
    "int8range": ([*RANGES, "[1,10)", "[-9223372036854775808,)"], _range8),
    "numrange": ([*RANGES, "[1.5,NaN]", "(0,Infinity)"], _numrange),
    "daterange": ([*RANGES, "[2024-01-01,infinity)", "[-infinity,2024-01-01)"], _daterange),
    "tsrange": ([*RANGES, '["2024-01-01 00:00:00",infinity]'], _tsrange),
    "tstzrange": ([*RANGES, '["2024-01-01 00:00:00+05:30",)'], _tstzrange),
    "int4multirange": (["{}", "{[1,2),[5,8)}", "{(,)}"], several(_range4)),
    "int8multirange": (["{}", "{[1,2),[5,8)}"], several(_range8)),
    "nummultirange": (["{}", "{[1.5,2],(3,NaN]}"], several(_numrange)),
    "datemultirange": (["{}", "{[2024-01-01,2024-02-01)}"], several(_daterange)),
    "tsmultirange": (["{}", "{[2024-01-01,2024-02-01)}"], several(_tsrange)),
    "tstzmultirange": (["{}", "{[2024-01-01,2024-02-01)}"], several(_tstzrange)),
    "regclass": (["pg_class", "-", "4294967295"], lambda c: c.choice(["pg_type", "pg_proc"])),
    "regtype": (["integer", "-", "timestamp with time zone"], lambda c: c.choice(["text", "numeric", "int4[]"])),
    "regproc": (["now", "-"], lambda c: c.choice(["now", "pg_backend_pid"])),
    "regprocedure": (["now()", "abs(integer)", "-"], lambda c: c.choice(["now()", "abs(double precision)"])),
    "regoper": (["||/", "0"], lambda c: c.choice(["||/", "|/"])),
    "regoperator": (["+(integer,integer)", "0"], lambda c: c.choice(["*(integer,integer)", "-(bigint,bigint)"])),
    "regrole": (["postgres", "-"], lambda c: "postgres"),
    "regnamespace": (["pg_catalog", "-"], lambda c: c.choice(["public", "pg_toast"])),
    "regcollation": (['"C"', "-"], lambda c: '"POSIX"'),
    "regconfig": (["simple", "-"], lambda c: c.choice(["english", "french"])),
    "regdictionary": (["simple", "-"], lambda c: "english_stem"),
    "regdatabase": (["postgres", "-"], lambda c: "template1"),
}  # fmt: skip

# Types whose input functions take nothing: what the catalog has of them, or NULL alone.
UNWRITABLE: Mapping[str, str] = {
    "pg_node_tree": "SELECT adbin FROM pg_attrdef UNION ALL SELECT ev_action FROM pg_rewrite LIMIT 60",
    "pg_ndistinct": "SELECT stxdndistinct FROM pg_statistic_ext_data",
    "pg_dependencies": "SELECT stxddependencies FROM pg_statistic_ext_data",
    "pg_mcv_list": "SELECT stxdmcv FROM pg_statistic_ext_data",
    "gtsvector": "SELECT NULL::gtsvector",
    "pg_brin_bloom_summary": "SELECT NULL::pg_brin_bloom_summary",
    "pg_brin_minmax_multi_summary": "SELECT NULL::pg_brin_minmax_multi_summary",
}

# A type with its modifiers, or one of the user's own, and the type whose values it takes.
MODIFIED: Mapping[str, str] = {
    **{f"numeric({p},{s})": "numeric" for p, s in (
        (1, 0), (4, 4), (5, 2), (9, 9), (18, 5), (19, 19), (38, 0), (38, 10), (38, 38), (39, 2), (1000, 500), (5, -2), (2, 4), (3, 1000), (38, -5),
    )},
    "varchar(9)": "varchar", "char(1)": "bpchar", "char(5)": "bpchar", "char(300)": "bpchar", "bit(7)": "varbit", "varbit(9)": "varbit",
    "time(0)": "time", "time(3)": "time", "timetz(2)": "timetz", "timestamp(0)": "timestamp", "timestamp(3)": "timestamp",
    "timestamptz(1)": "timestamptz", "interval(2)": "interval", "interval year to month": "interval", "interval day to second(3)": "interval",
    "mood": "mood", "pair": "pair", "nested": "nested", "positive": "positive", "label": "label", "list": "list", "until": "date",
    "textrange": "textrange", "mood[]": "mood[]", "pair[]": "pair[]", "positive[]": "positive[]",
}  # fmt: skip
OWN = (
    "CREATE TYPE mood AS ENUM ('sad', 'o''k', 'é', '')",
    "CREATE TYPE pair AS (a int, b text)",
    "CREATE TYPE nested AS (p pair, q pair[], d date)",
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "CREATE DOMAIN label AS varchar(5)",
    "CREATE DOMAIN list AS int[]",
    "CREATE DOMAIN until AS date",
    'CREATE TYPE textrange AS RANGE (subtype = text, collation = "C")',
)
OWN_VALUES: Mapping[str, Made] = {
    "mood": (["sad", "o'k", "é", ""], lambda c: c.choice(["sad", "é"])),
    "pair": (["(1,x)", '(,"")', "(,)", '(-1,"a,""b""\\\\")'], lambda c: f"({c.randrange(99)},k{c.randrange(99)})"),
    "nested": (['("(1,x)","{""(2,y)""}",infinity)', "(,,)"], lambda c: f'("({c.randrange(9)},y)",,{day(c)})'),
    "positive": (["1", "2147483647"], below(1, 1 << 31)),
    "label": (["", "abcde", "é"], lambda c: "".join(c.choices(string.ascii_letters, k=4))),
    "list": (["{}", "{1,NULL}"], lambda c: f"{{{c.randrange(99)}}}"),
    "textrange": (["empty", "[a,b)", '["",)'], lambda c: f"[a,b{c.randrange(99)}]"),
    "mood[]": (["{}", '{sad,NULL,""}'], lambda c: "{sad,é}"),
    "pair[]": (["{}", '{"(1,x)",NULL}'], lambda c: f'{{"({c.randrange(99)},)"}}'),
    "positive[]": (["{}", "{1,2}"], lambda c: f"{{{c.randrange(1, 99)}}}"),
}


def values(kind: str, chance: random.Random, count: int = LEAST) -> list[str]:
    """Some more than `count` texts of a type, edges first; a few may be none of its values."""
    edges, made = OWN_VALUES[kind] if kind in OWN_VALUES else TYPES[kind]
    return [*edges, *(made(chance) for _ in range(count + 10))]


def arrays(kind: str, chance: random.Random) -> list[str]:
    """Arrays of the type: empty, of more than one dimension, with other bounds, with NULLs."""
    some = [quoted(one) for one in values(kind, chance) if len(one) < 200]
    few = list(islice(cycle(some), 4))
    by = ";" if kind == "box" else ","
    inside = ["", "NULL", "%0", "%0,NULL,%1", "{%0,%1},{%2,%3}"]
    shapes = [f"{{{one}}}" for one in inside] + ["[0:1]={%0,%1}", "[-1:0][2:2]={{%0},{%1}}"]
    made = [shape.replace(",", by) for shape in shapes]
    for number, one in enumerate(few):
        made = [shape.replace(f"%{number}", one) for shape in made]
    return [*made, f"{{{by.join(some)}}}", *(f"{{{by.join(chance.choices(some, k=3))}}}" for _ in range(4))]


def quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
