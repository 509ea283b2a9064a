"""Tables larger than memory: a first load that is killed goes on where the log ends, and never needs much of it."""

import random
from pathlib import Path

import pytest

from tests.support import broken, gigabytes, proof
from tests.support.clusters import cluster


def goes_on(project: Path, rows: int, kills: int) -> list[int]:
    """Every row was read once, and every part too, though runs were killed; the blocks that the parts went up to."""
    committed = sum(m.tables["big"].rows for m in gigabytes.manifests(project) if "big" in m.tables)
    assert committed == rows, "rows were read twice: a killed load began again"
    reached = gigabytes.reached(project)
    assert reached == sorted(set(reached)), "a part was read twice"
    assert len(reached) >= kills
    return reached


def killed_and_changed(folder: Path, rows: int, width: int, kills: int, parts: int, changes: int) -> None:
    chance = random.Random(proof.seed())
    with cluster(folder / "server", shared_buffers="128MB") as server:
        db = server.database()
        size = gigabytes.build(db, rows, width)
        blocks = int(size * 1e9 / 8192) // parts + 1
        project = gigabytes.project(folder / "project", db)
        ended = [
            gigabytes.run(project, blocks, chance.randrange(1, max(2, parts // (kills + 1)))) for _ in range(kills)
        ]
        assert [one.code for one in ended] == [-9] * kills, "a run ended before it was killed"
        ended.append(gigabytes.run(project, blocks))
        assert ended[-1].code == 0, (project / "out.txt").read_text()[-2000:]
        reached = goes_on(project, rows, kills)
        assert gigabytes.held(project) == gigabytes.there(db)
        db.run(f"UPDATE big SET v = v + 1 WHERE id % {rows // changes} = 0")
        ended.append(gigabytes.run(project, blocks))
        assert ended[-1].code == 0
        last = gigabytes.manifests(project)[-1]
        assert last.tables["big"].rows == rows // (rows // changes)
        assert gigabytes.held(project) == gigabytes.there(db)
        # a server that was started again may be another one: everything is compared, and nothing of it is new
        server.restart()
        db = server.database()
        gigabytes.point(project, db)
        ended.append(gigabytes.run(project, blocks))
        assert ended[-1].code == 0, (project / "out.txt").read_text()[-2000:]
        assert sum(m.tables["big"].rows for m in gigabytes.manifests(project)[last.seq :]) == 0
        assert gigabytes.held(project) == gigabytes.there(db)
    memory = [round(one.megabytes) for one in ended]
    seconds = [round(one.seconds, 1) for one in ended]
    print(f"{rows:,} rows, {size:.1f} GB, {kills} kills: {memory} MB, {seconds} s of processor, {len(reached)} parts")
    assert max(memory) <= gigabytes.LIMIT_MB


@pytest.mark.proof
def test_a_large_table_killed_once(tmp_path: Path) -> None:
    killed_and_changed(tmp_path, rows=2_000_000, width=90, kills=1, parts=4, changes=15_000)


@pytest.mark.proof
def test_a_load_that_begins_again_after_a_kill_is_found(tmp_path: Path) -> None:
    product = broken.line("again", Path())[:-1]
    with cluster(tmp_path / "server") as server:
        db = server.database()
        blocks = int(gigabytes.build(db, 100_000, 90) * 1e9 / 8192) // 8
        project = gigabytes.project(tmp_path / "project", db)
        assert gigabytes.run(project, blocks, 2, product).code == -9
        assert gigabytes.run(project, blocks, product=product).code == 0
        with pytest.raises(AssertionError, match="read twice"):
            goes_on(project, 100_000, 1)


@pytest.mark.proof
@pytest.mark.full
@pytest.mark.timeout(3600)
def test_twenty_million_rows_of_ten_gigabytes_killed_five_times(tmp_path: Path) -> None:
    killed_and_changed(tmp_path, rows=20_000_000, width=480, kills=5, parts=12, changes=15_000)
