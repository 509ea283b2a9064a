"""Literal passwords are refused where they stand, and never repeated; references may stand in their place."""

from pathlib import Path

import pytest

from catchwater.errors import ProjectError
from catchwater.project.load import load

BASE = 'project: p\nsources:\n  shop: {kind: postgres, url: "${SHOP_URL}"}\n'
MARK = "hunter2"


def said(folder: Path, text: str) -> list[str]:
    (folder / "catchwater.yml").write_text(text)
    with pytest.raises(ProjectError) as raised:
        load(folder, variables={})
    assert MARK not in str(raised.value)
    return [str(problem) for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("source", "column", "message"),
    [
        ("{kind: postgres, host: h, password: hunter2}", 37, 'password`: a password may not stand here; write "${A_B'),
        ("{kind: postgres, host: h, password: 12345}", 37, "a password may not stand here"),
        ("{kind: postgres, host: h, password: '${X}hunter2'}", 37, "a password may not stand here"),
        ("{kind: postgres, host: h, password: $$hunter2}", 37, "a password may not stand here"),
        ("{kind: postgres, url: 'postgres://u:hunter2@h/d'}", 23, "url`: a URL may not hold a login here; write"),
        ("{kind: postgres, url: 'POSTGRESQL://u:hunter2@h/d'}", 23, "a URL may not hold a login here"),
        ("{kind: postgres, url: 'postgres://u:a/hunter2@b@h/d'}", 23, "a URL may not hold a login here"),
        ("{kind: postgres, url: 'postgres://${U}:${P}hunter2@h/d'}", 23, "a URL may not hold a login here"),
        ("{kind: postgres, url: 'postgres://u@h/d?sslmode=require&password=hunter2'}", 23, "may not hold a login"),
        ("{kind: postgres, secret: 'postgres://u:hunter2@h/d'}", 26, "secret`: not the name of a secret"),
        ("{kind: postgres, secret: 'hunter2!'}", 26, "secret`: not the name of a secret"),
        ("{kind: postgres, secret: '${X}'}", 26, "secret`: not the name of a secret"),
        ("{kind: http_files, url: 'https://u:hunter2@h/x.csv'}", 25, "a URL may not hold a login here"),
        ("{kind: http_files, url: 'https://hunter2@h/x.csv'}", 25, "a URL may not hold a login here"),
    ],
)
def test_a_literal_secret_of_a_source_is_refused_where_it_stands(
    tmp_path: Path, source: str, column: int, message: str
) -> None:
    found = said(tmp_path, f"project: p\nsources:\n  a_b:\n    {source}\n")
    where = f"catchwater.yml:4:{column + 4}: `sources.a_b."
    assert any(line.startswith(where) and message in line for line in found), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "warehouse: {kind: postgres, url: 'postgres://u:hunter2@h/d'}\n",
            "4:34: `warehouse.url`: a URL may not hold a login here; "
            'write "${WAREHOUSE_URL}" and a line WAREHOUSE_URL=… in .env, or "${secret:warehouse-url}"',
        ),
        ("lake: {url: 's3://key:hunter2@bucket/x'}\n", "4:13: `lake.url`: a URL may not hold a login here"),
        ("alerts: [{notify: webhook, to: 'https://u:hunter2@h/x'}]\n", "`alerts[0].to`: a URL may not hold a login"),
        (
            "environments: {dev: {sources: {shop: {url: 'postgres://u:hunter2@h/d'}}}}\n",
            "4:44: `environments.dev.sources.shop.url`: a URL may not hold a login here",
        ),
        (
            "environments: {dev: {sources: {shop: {url: null, host: h, password: hunter2}}}}\n",
            "`environments.dev.sources.shop.password`: a password may not stand here",
        ),
    ],
)
def test_a_literal_secret_elsewhere_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert any(expected in line for line in said(tmp_path, BASE + text))


@pytest.mark.parametrize(
    "text",
    [
        "name: {password: pw, secret: other}\n",
        "warehouse: {kind: postgres, secret: totesys-warehouse}\n",
        "alerts: [{notify: webhook, to: 'https://hooks.example.org/services/T0/B0/token'}]\n",
        "alerts: [{notify: email, to: 'Ops <a:b@example.org>'}]\n",
        "environments: {dev: {sources: {shop: {url: 'postgres://app@h:5432/d?sslmode=require'}}}}\n",
        "environments: {dev: {sources: {shop: {url: 'postgres://app:${PW}@h/d'}}}}\n",
        "environments: {dev: {sources: {shop: {url: 'postgres://${secret:login}@h/d?password=${secret:pw}'}}}}\n",
        "environments: {dev: {sources: {shop: {url: null, host: h, password: '${secret:shop-pw}'}}}}\n",
        "lake: {url: 's3://bucket/prefix'}\n",
    ],
)
def test_references_and_what_is_no_secret_may_stand(tmp_path: Path, text: str) -> None:
    (tmp_path / "catchwater.yml").write_text(BASE + text)
    load(tmp_path, variables={})


def test_a_model_may_not_read_the_variable_of_a_login(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    model = tmp_path / "models" / "m.sql"
    model.write_text("/*--- ${SHOP_URL} ---*/\n-- ${SHOP_URL}\nSELECT '${SHOP_URL}' AS a, ${ SHOP_URL } AS b, ${X}\n")
    found = said(tmp_path, BASE + "lake: {url: '${X}'}\n")
    assert [line.split(": ")[0] for line in found] == ["models/m.sql:3:9", "models/m.sql:3:28"]
    assert "the variable SHOP_URL holds a login" in found[0]
    model.write_text("SELECT '${URL}' AS a")
    stations = 'project: p\nsources: {shop: {kind: http_files, url: "${URL}"}}\n'
    (tmp_path / "catchwater.yml").write_text(stations)
    load(tmp_path, variables={})
