"""The wheel has all that runs without a checkout, nothing that was made by running, and is small."""

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
LIMIT = 2 << 20


def test_the_wheel_has_the_examples_and_the_pages(tmp_path: Path) -> None:
    [built] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    assert Path(built).stat().st_size <= LIMIT
    with zipfile.ZipFile(built) as wheel:
        names = set(wheel.namelist())
    for name in ("events", "github_activity", "open_data", "shop", "totesys"):
        assert {f"catchwater/_examples/{name}/{file}" for file in ("catchwater.yml", "demo.py", "README.md")} <= names
    package = ROOT / "src" / "catchwater"
    files = [path.relative_to(package.parent) for path in package.rglob("*") if path.is_file()]
    assert {str(file) for file in files if file.suffix != ".pyc"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    made = [name for name in names if any(part in name for part in (".catchwater/", "__pycache__", ".env", ".duckdb"))]
    assert made == []
