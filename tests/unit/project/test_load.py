"""The project file: what is resolved, and what is said of everything wrong in it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from catchwater.errors import ProjectError, UseError
from catchwater.project.load import load

GOLDEN = Path(__file__).parents[2] / "golden" / "project"
FIVE = {
    "totesys": ("local", "dev", "prod"),
    "github_activity": ("local", "stage"),
    "events": ("local", "dev"),
    "open_data": ("local", "dev", "prod"),
    "shop": ("local", "prod"),
}
PAIRS = [(name, environment) for name, found in FIVE.items() for environment in found]


@pytest.mark.parametrize(("name", "environment"), PAIRS)
def test_the_five_files_resolve_in_every_environment(
    name: str, environment: str, golden: Callable[[Path, str], None]
) -> None:
    loaded = load(GOLDEN / name, environment, {})
    text = json.dumps(loaded.project.model_dump(mode="json", by_alias=True), indent=2, ensure_ascii=False)
    golden(GOLDEN / name / f"{environment}.json", text + "\n")


BASE = 'project: shop\nsources:\n  shop: {kind: postgres, url: "${SHOP_URL}"}\n'


def said(folder: Path, text: str, environment: str = "local") -> list[str]:
    """What is said of a project file, a line each."""
    (folder / "catchwater.yml").write_text(text)
    with pytest.raises(ProjectError) as refused:
        load(folder, environment, {})
    return [str(problem) for problem in refused.value.problems]


def resolved(folder: Path, text: str, environment: str = "local") -> dict[str, object]:
    (folder / "catchwater.yml").write_text(text)
    return load(folder, environment, {}).project.model_dump(mode="json", by_alias=True)


def test_the_least_project_has_defaults(tmp_path: Path) -> None:
    found = resolved(tmp_path, BASE)
    assert found["warehouse"] == {"kind": "duckdb"}
    assert found["alerts"] == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("surces: {}\n", "catchwater.yml:4:1: unknown key `surces`; did you mean sources?"),
        ("serve: {api: {rols: {}}}\n", "catchwater.yml:4:15: unknown key `rols` in `serve.api`; did you mean roles?"),
        ("zzz: 1\n", "catchwater.yml:4:1: unknown key `zzz`; known here: "),
        ("promise: {freshness: soon}\n", "catchwater.yml:4:22: `promise.freshness`: not a duration: write for"),
        ("promise: {freshness: true}\n", "`promise.freshness`: YAML reads this as true: put the word in quotes"),
        ("ci: true\n", "catchwater.yml:4:5: `ci`: YAML reads this as true, not as a word; put the word in quotes"),
        ("ci: github\n", "catchwater.yml:4:5: `ci`: 'github' isn't one of github_actions, cloud_build; did you mean"),
        ("ci: [a]\n", "catchwater.yml:4:5: `ci`: this isn't one of github_actions, cloud_build"),
        ("aws: {region: r, account: 011122223333}\n", '4:27: `aws.account`: an account number is text: write "0111'),
        ("aws: {region: r, account: 111122223333}\n", '`aws.account`: an account number is text: write "1111'),
        ("aws: {region: r, account: true}\n", "`aws.account`: YAML reads this as true"),
        ('aws: {region: r, account: "12"}\n', "`aws.account`: an account number has 12 digits, in quotes"),
        ('aws: {account: "111122223333"}\n', "catchwater.yml:4:1: `aws`: `region` is missing; write `region: …`"),
        ("aws: {region: 5}\n", "`aws.region`: text is wanted: put it in quotes"),
        ("aws: 5\n", "catchwater.yml:4:6: `aws`: a mapping is wanted"),
        ("alerts: {}\n", "`alerts`: a list is wanted"),
        ("name: []\n", "`name`: a mapping is wanted"),
        ("alerts:\n", "catchwater.yml:4:1: `alerts`: a list is wanted"),
        ("warehouse: {}\n", "catchwater.yml:4:1: `warehouse`: `kind` is missing; one of duckdb, postgres, bigquery"),
        ("warehouse: {kind: duck}\n", "4:19: `warehouse.kind`: 'duck' isn't one of duckdb, postgres, bigquery; did"),
        ("warehouse: {kind: true}\n", "`warehouse.kind`: YAML reads this as true, not as a word"),
        ("serve: {api: {min: -1}}\n", "`serve.api.min`: too small; at least 0"),
        ("serve: {api: {max: 1.5}}\n", "`serve.api.max`: a whole number is wanted"),
        ("serve: {api: {max: true}}\n", "`serve.api.max`: a whole number is wanted"),
        ("serve: {api: {tables: al}}\n", "`serve.api.tables`: write `all`, or a list of names"),
        ("serve: {api: {tables: [1]}}\n", "`serve.api.tables`: write `all`, or a list of names"),
        ("steps: {fuse: 'yes'}\n", "`steps.fuse`: true or false is wanted, without quotes"),
        ("steps: {load: {memory: 0}}\n", "`steps.load.memory`: too small; more than 0"),
        ("steps: {load: {every: 61 * * * *}}\n", "`steps.load.every`: neither a duration nor cron"),
        ("steps: {load: {every: 1 hour, after: deployment}}\n", "`steps.load`: both `every` and `after`; keep one"),
        ("place: {load: google}\n", "4:15: `place.load`: placed on google, which this environment doesn't have; w"),
        ("warehouse: {kind: bigquery, dataset: x}\n", "`warehouse`: BigQuery without `google`"),
        ("warehouse: {kind: postgres}\n", "`warehouse`: neither `url` nor `secret`"),
        ("alerts: [{notify: email, to: somebody}]\n", "4:30: `alerts[0].to`: not an e-mail address"),
        ("alerts: [{notify: webhook, to: ftp://x}]\n", "`alerts[0].to`: not a URL"),
        ("alerts: [{notify: pigeon, to: x}]\n", "`alerts[0].notify`: 'pigeon' isn't one of email, webhook"),
        ("serve: {api: {tables: [ordrs]}}\n", "4:24: `serve.api.tables[0]`: there is no model ordrs; did you mean"),
        ("serve: {api: {tables: [zebra]}}\n", "there is no model zebra; known here: "),
        ("serve: {api: {roles: {r: {tables: [zebra]}}}}\n", "`serve.api.roles.r.tables[0]`: there is no model z"),
        ("serve: {api: {roles: {r: {columns: {zebra: [a]}}}}}\n", "`serve.api.roles.r.columns.zebra`: there is no"),
        ("serve: {api: {tables: [orders], roles: {r: {tables: [renamed]}}}}\n", "the API doesn't expose renamed"),
        ("serve: {api: {roles: {r: {rows: 'a ='}}}}\n", "`serve.api.roles.r.rows`: not an SQL condition; write for"),
        ("serve: {api: {roles: {r: {rows: 'a = 1; DROP TABLE'}}}}\n", "`serve.api.roles.r.rows`: not an SQL condition"),
        ("serve: {api: {roles: {r: {rows: 'a = 1) OR (1 = 1'}}}}\n", "`serve.api.roles.r.rows`: not an SQL condition"),
        ("serve: {api: {roles: {r: {rows: 'SELECT 1'}}}}\n", "`serve.api.roles.r.rows`: not an SQL condition"),
        ("name: {a: A B}\n", "catchwater.yml:4:11: `name.a`: not a plain name; write a_b"),
        ("name: {a: x, b: x}\n", "`name.b`: 'x' is also the name of a; give each its own"),
        ("name: {a: 5}\n", "`name.a`: text is wanted"),
        ("lake: {url: '${X'}\n", "`lake.url`: a `${` that isn't a reference; write ${NAME}"),
        ("project: other\n", "catchwater.yml:4:1: `project` is written twice, first in line 1; keep one of them"),
        ("lake: !!set {}\n", "a tag (`tag:yaml.org,2002:set`) has no meaning here"),
        ("lake: {url: !secret x}\n", "a tag (`!secret`) has no meaning here; leave it out"),
        ("true: 1\n", "catchwater.yml:4:1: YAML reads this key as true or false, not as a word; put it in quotes"),
        ("<<: {ci: cloud_build}\n", "catchwater.yml:4:1: `<<` isn't read here; write the keys out"),
        ("5: 1\n", "catchwater.yml:4:1: a key must be text; put it in quotes"),
        ("null: 1\n", "catchwater.yml:4:1: YAML reads this key as null"),
        ("[a]: 1\n", "catchwater.yml:4:1: a key must be text"),
        ("environments: {dev: {lik: prod}}\n", "catchwater.yml:4:22: unknown key `lik`; did you mean like?"),
        ("environments: {dev: {environments: {}}}\n", "catchwater.yml:4:22: unknown key `environments`"),
        ("environments: {dev: {sources: {shop: {hots: null}}}}\n", "4:39: unknown key `hots` in `sources.shop`; did"),
        ("environments: {dev: {like: prd}, prod: }\n", "like`: there is no environment 'prd'; did you mean prod?"),
        ("environments: {dev: {like: 5}}\n", "there is no environment '5'; one of dev, local"),
        ("environments: {a: {like: b}, b: {like: a}}\n", "`environments.a.like`: a circle (b → a → b)"),
        ("environments: {a: {like: a}}\n", "`environments.a.like`: a circle (a → a)"),
        ("environments: {a: 5}\n", "4:19: `environments.a`: a mapping is wanted"),
        ("environments: 5\n", "4:15: `environments`: a mapping is wanted"),
        ("environments: {My Env: {}}\n", "4:16: `environments`: 'My Env' isn't a name"),
        ("environments: {dev: {warehouse: {kind: bigquery, dataset: x}}}\n", "4:33: `warehouse`: BigQuery without"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_line_and_what_is_right(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "orders.sql").write_text("SELECT 1")
    (tmp_path / "models" / "other.sql").write_text("/*---\ndescription: x\nname: renamed\n---*/\nSELECT 1")
    (tmp_path / "models" / "_macros.sql").write_text("")
    found = said(tmp_path, BASE + text)
    assert any(expected in line for line in found), found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{kind: postgres, url: "x", host: h}', "3:3: `sources.s`: both `url` and `host`; keep one of them"),
        ("{kind: postgres}", '3:3: `sources.s`: neither `url` nor `host`; write url: "${S_URL}"'),
        ("{kind: postgres, host: h, auth: rds_iam}", "`sources.s`: `auth: rds_iam` without a `user`"),
        ("{kind: postgres, host: h, port: '5432'}", "`sources.s.port`: a whole number is wanted"),
        ("{kind: postgres, host: h, port: 70000}", "`sources.s.port`: too large; less than 65536"),
        ("{kind: github, from: webhook}", "`sources.s`: a webhook without a `secret`"),
        ("{kind: github}", "3:3: `sources.s`: `from` is missing"),
        ("{kind: github, origin: archive}", "unknown key `origin` in `sources.s`"),
        ("{kind: topic}", "`sources.s`: `schema` is missing"),
        ("{kind: topic, schema_file: x}", "unknown key `schema_file` in `sources.s`; did you mean schema?"),
        ("{kind: topic, schema: no.json}", "3:28: `sources.s.schema`: there is no file no.json; the path is relative"),
        ("{kind: topic, schema: ../x.json}", "`sources.s.schema`: ../x.json lies outside the project"),
        ("{kind: topic, schema: /etc/passwd}", "`sources.s.schema`: /etc/passwd lies outside the project"),
        ("{kind: topic, schema: 5}", "`sources.s.schema`: text is wanted"),
        ("{kind: postgress}", "3:13: `sources.s.kind`: 'postgress' isn't one of postgres, topic, http_files, git"),
        ("{url: x}", "3:3: `sources.s`: `kind` is missing; one of postgres, topic, http_files, github"),
        ("", "3:3: `sources.s`: a mapping is wanted"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_source_is_said(tmp_path: Path, source: str, expected: str) -> None:
    found = said(tmp_path, f"project: p\nsources:\n  s: {source}\n")
    assert any(expected in line for line in found), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("project: p\nsources: {}\n", "2:10: `sources`: at least one is wanted"),
        ("project: p\n", "`sources` is missing"),
        ("project: My Shop\n", "1:10: `project`: a name is lower-case letters"),
        ("sources: {My Shop: {kind: postgres, url: x}}\nproject: p\n", "1:11: `sources.My Shop`: a name is lower-case"),
        ("project: 'x\n", "not YAML: found unexpected end of stream"),
        ("project: x\n\tsources: y\n", "2:1: a tab; indent with spaces"),
        ("project: x\n---\nproject: y\n", "2:1: a second document"),
        ("project: *x\n", "1:10: not YAML: found undefined alias 'x'"),
        ("", "1:1: not a mapping"),
        ("- a\n", "1:1: not a mapping"),
        ("project: a\x01b\n", "1:11: a control character"),
        ("[" * 5000, "nested too deeply"),
        ("a: " + "[" * 60 + "]" * 60, "nested too deeply"),
        ("a: &a [*a]\n", "an alias inside what it stands for"),
        ("project: -\n", "catchwater.yml:1:10"),
        ("x: 0x\n", "catchwater.yml:1:1: unknown key `x`"),
        ("a: " + "9" * 5000 + "\n", "1:4: not a int; put it in quotes"),
    ],
)
def test_what_is_no_project_file_is_said(tmp_path: Path, text: str, expected: str) -> None:
    found = said(tmp_path, text)
    assert any(expected in line for line in found), found


def test_everything_wrong_is_said_at_once_and_once(tmp_path: Path) -> None:
    text = (
        BASE
        + "zzz: 1\nserve: {api: {tables: [nope]}}\nci: x\nenvironments: {dev: {aws: {region: r}}, prod: {like: dev}}\n"
    )
    found = said(tmp_path, text)
    assert len(found) == len(set(found)) == 4
    assert sum("`account` is missing" in line for line in found) == 1


def test_a_problem_of_some_environments_names_them(tmp_path: Path) -> None:
    text = "project: p\nsources:\n  s: {kind: postgres, url: x}\nplace: {load: aws}\n"
    text += 'environments: {dev: {aws: {region: r, account: "111122223333"}}, prod: {}}\n'
    [found] = said(tmp_path, text, "dev")
    assert "(in local, prod)" in found


def test_no_value_of_the_file_is_in_a_message_or_a_repr(tmp_path: Path) -> None:
    text = "project: p\nsources:\n  s: {kind: postgres, host: h, password: 12345678, url: [hunter2]}\n"
    found = " ".join(said(tmp_path, text))
    assert "12345678" not in found
    assert "hunter2" not in found
    (tmp_path / "catchwater.yml").write_text(BASE)
    (tmp_path / ".env").write_text("SHOP_URL=hunter2\n")
    assert "hunter2" not in repr(load(tmp_path, variables={"OTHER": "hunter2"}))
    (tmp_path / "catchwater.yml").write_text("project: p\nsources: {s: {kind: postgres, url: hunter2}}\n")
    assert "hunter2" not in repr(load(tmp_path, variables={}))


def test_unreadable_files_are_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="there is no such file"):
        load(tmp_path, variables={})
    path = tmp_path / "catchwater.yml"
    path.write_bytes(b"project: x\nci: caf\xe9\n")
    with pytest.raises(ProjectError, match=r"catchwater\.yml:2:8: not UTF-8"):
        load(tmp_path, variables={})
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(ProjectError, match="larger than 1024 KiB"):
        load(tmp_path, variables={})
    path.unlink()
    path.mkdir()
    with pytest.raises(ProjectError, match="can't be read"):
        load(tmp_path, variables={})


def test_aliases_that_multiply_are_refused_quickly(tmp_path: Path) -> None:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    [found] = said(tmp_path, "\n".join(lines) + "\n")
    assert "aliases may not multiply" in found


def test_an_alias_is_its_value(tmp_path: Path) -> None:
    text = BASE + "promise: {freshness: &t 5 minutes, api_p95: *t}\n"
    assert resolved(tmp_path, text)["promise"] == {"freshness": "5 minutes", "api_p95": "5 minutes", "query_p98": None}


def test_an_unknown_environment_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "catchwater.yml").write_text(BASE + "environments: {prod: {ci: cloud_build}}\n")
    with pytest.raises(UseError, match="did you mean prod"):
        load(tmp_path, "prd", {})


def test_overrides_merge_replace_and_delete(tmp_path: Path) -> None:
    text = (
        "project: p\nsources:\n  s: {kind: postgres, host: h, user: u, tables: [a, b]}\n  t: {kind: postgres, url: x}\n"
        "environments:\n"
        "  dev: {sources: {s: {host: null, url: '${U}', tables: [c]}, t: null},\n"
        "    promise: {freshness: 1 s, api_p95: null}}\n"
        "  prod: {like: dev, sources: {s: {url: y}}, promise: null}\n"
    )
    dev, prod = resolved(tmp_path, text, "dev"), resolved(tmp_path, text, "prod")
    assert list(dev["sources"]) == ["s"]  # type: ignore[call-overload]
    source = dev["sources"]["s"]  # type: ignore[index]
    assert (source["host"], source["url"], source["user"], source["tables"]) == (None, "${U}", "u", ["c"])
    assert prod["sources"]["s"]["url"] == "y"  # type: ignore[index]
    assert dev["promise"]["freshness"] == "1 s"  # type: ignore[index]
    assert prod["promise"]["freshness"] is None  # type: ignore[index]


def test_another_kind_replaces_the_whole_mapping(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text("{}")
    text = BASE + "warehouse: {kind: postgres, secret: w}\n"
    text += "environments: {local: {warehouse: {kind: duckdb}, sources: {shop: {kind: topic, schema: s.json}}}}\n"
    found = resolved(tmp_path, text)
    assert found["warehouse"] == {"kind": "duckdb"}
    assert found["sources"]["shop"] == {"kind": "topic", "schema": "s.json", "key": []}  # type: ignore[index]


def test_a_value_that_stands_for_a_mapping_in_one_environment(tmp_path: Path) -> None:
    found = said(tmp_path, BASE + "environments: {dev: {sources: {shop: 5}}}\n", "dev")
    assert found == ["catchwater.yml:4:38: `sources.shop`: a mapping is wanted: {key: value}"]


def test_lines_lead_to_the_keys(tmp_path: Path) -> None:
    (tmp_path / "catchwater.yml").write_text(BASE + "environments: {local: {ci: cloud_build}}\n")
    lines = load(tmp_path, variables={}).lines
    assert lines["sources", "shop"] == ("catchwater.yml", 3, 3)
    assert lines["sources", "shop", "url"] == ("catchwater.yml", 3, 26)
    assert lines["ci",] == ("catchwater.yml", 4, 24)


@pytest.mark.parametrize(
    ("sources", "model", "expected"),
    [
        ("a_current: {kind: http_files, url: x}", "a", "the model a may also be read as a_current"),
        ("a: {kind: http_files, url: x}\n  a__history: {kind: http_files, url: x}", "b", "is read as a__history too"),
    ],
)
def test_source_names_that_read_as_another_table(tmp_path: Path, sources: str, model: str, expected: str) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / f"{model}.sql").write_text("SELECT 1")
    assert any(expected in line for line in said(tmp_path, f"project: p\nsources:\n  {sources}\n"))


def test_a_source_may_have_the_name_of_its_model(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("SELECT * FROM a")
    resolved(tmp_path, "project: p\nsources: {a: {kind: http_files, url: x}}\n")


def test_what_reads_as_a_word_is_one(tmp_path: Path) -> None:
    text = "project: p\nsources: {s: {kind: postgres, host: no, user: 2024-01-01, database: on, port: 5_433}}\n"
    source = resolved(tmp_path, text)["sources"]["s"]  # type: ignore[index]
    assert (source["host"], source["user"], source["database"], source["port"]) == ("no", "2024-01-01", "on", 5433)


def test_problems_of_the_dotenv_are_said_together_with_the_files(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("nonsense\n")
    found = said(tmp_path, BASE + "zzz: 1\n")
    assert [line.split(":")[0] for line in found] == [".env", "catchwater.yml"]
