"""The witness notices a database that is not where it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.engines.port import Position
from holdfast.runtime.witness import Witness, keep_in_mind
from tests.api_platform import Deployment, inhabited


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Moved:
    """Where the engine says that it stands."""

    def __init__(self) -> None:
        self.position = Position("medium", 100)

    async def __call__(self) -> Position:
        return self.position


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch) -> tuple[Deployment, Moved]:
    made, moved = inhabited(), Moved()
    monkeypatch.setattr(made.engine, "position", moved)
    return made, moved


async def test_a_store_that_goes_on_keeps_its_epoch(
    deployment: tuple[Deployment, Moved], tmp_path: Path
) -> None:
    made, moved = deployment
    witness = Witness(tmp_path, made.store, made.epochs)
    assert await witness.look() is None
    before = (await made.epochs.current()).epoch
    moved.position = Position("medium", 100)
    assert await witness.look() is None
    moved.position = Position("medium", 250)
    assert await witness.look() is None
    assert (await made.epochs.current()).epoch == before
    said = json.loads((tmp_path / "witness.json").read_text())
    assert (said["medium"], said["moment"]) == ("medium", 250)
    assert (tmp_path / "witness.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("later", "why"),
    [
        (Position("medium", 99), "the database went back in time"),
        (Position("another timeline", 5_000), "the database was restored or failed over"),
    ],
)
async def test_one_that_went_back_begins_a_new_epoch_once(
    deployment: tuple[Deployment, Moved], tmp_path: Path, later: Position, why: str
) -> None:
    made, moved = deployment
    await Witness(tmp_path, made.store, made.epochs).look()
    before = await made.epochs.current()
    moved.position = later
    witness = Witness(tmp_path, made.store, made.epochs)
    assert await witness.look() == why
    after = await made.epochs.current()
    assert after.epoch != before.epoch
    assert after.store == before.store
    assert after.reason == why
    assert await witness.look() is None


async def test_another_store_begins_one_and_a_broken_file_tells_nothing(
    deployment: tuple[Deployment, Moved], tmp_path: Path
) -> None:
    made, _ = deployment
    await Witness(tmp_path, made.store, made.epochs).look()
    other = inhabited()
    other.engine.position = made.engine.position  # type: ignore[method-assign]
    assert (
        await Witness(tmp_path, other.store, other.epochs).look()
        == "this is another store than the witness knows"
    )
    (tmp_path / "witness.json").write_text("{")
    assert await Witness(tmp_path, other.store, other.epochs).look() is None


async def test_what_is_written_before_a_look_does_not_hide_that_the_database_went_back(
    deployment: tuple[Deployment, Moved], tmp_path: Path
) -> None:
    made, moved = deployment
    await Witness(tmp_path, made.store, made.epochs).look()
    stood = moved.position
    for same in (
        None,
        stood,
        replace(stood, moment=stood.moment + 1),
        replace(stood, medium="another", moment=0),
    ):
        keep_in_mind(tmp_path, lambda same=same: same)  # type: ignore[misc]
        assert await Witness(tmp_path, made.store, made.epochs).look() is None
    keep_in_mind(tmp_path, lambda: replace(stood, moment=stood.moment - 1))
    moved.position = replace(stood, moment=stood.moment + 100)
    witness = Witness(tmp_path, made.store, made.epochs)
    assert await witness.look() == "the database went back in time"
    assert await witness.look() is None


async def test_two_processes_that_look_at_once_take_one_another_for_no_restored_copy(
    deployment: tuple[Deployment, Moved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One asks where the store stands; before it reads the file, the other has witnessed a later moment."""
    made, moved = deployment
    first, second = (Witness(tmp_path, made.store, made.epochs) for _ in range(2))
    await first.look()
    before = (await made.epochs.current()).epoch
    asked: list[str] = []

    async def overtaken() -> Position:
        if not asked:
            asked.append("first")
            found = await moved()
            moved.position = Position("medium", 300)
            await second.look()
            return found
        return await moved()

    monkeypatch.setattr(made.engine, "position", overtaken)
    assert await first.look() is None
    assert (await made.epochs.current()).epoch == before
