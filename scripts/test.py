"""The checks, then the tests. Run inside the virtual environment: `make test`, `make check`.

    python scripts/test.py [--checks-only] [pytest's arguments …]

The tests run even where a check fails; the exit code is 0 only where everything is well. pytest has the last word.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
CHECKS = (
    ("ruff", "check"),
    ("ruff", "format", "--check"),
    ("mypy",),
    ("lint-imports", "--no-logo"),
)


MOST_PROCESSES = 4


def main(arguments: list[str]) -> int:
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(ROOT / "src")  # this clone's code, whatever is installed
    checks_only = arguments[:1] == ["--checks-only"]
    failed = [" ".join(check) for check in CHECKS if not passes(check)]
    if failed:
        say(f"FAILED: {', '.join(failed)}")
    if checks_only:
        return bool(failed)
    say("pytest")
    return run([sys.executable, "-m", "pytest", *shared(arguments), *arguments]) or bool(failed)


def shared(arguments: list[str]) -> list[str]:
    """Among some processes, each of which takes whole modules and classes with what they have started; but for whoever has
    said otherwise, or wants to see one test at a time.
    """
    if any(argument.startswith(("-n", "--pdb", "-s", "--trace")) for argument in arguments):
        return []
    return ["-n", str(min(os.cpu_count() or 1, MOST_PROCESSES)), "--dist", "loadscope"]


def passes(check: tuple[str, ...]) -> bool:
    say(" ".join(check))
    return run(list(check)) == 0


def run(command: list[str]) -> int:
    """Run a command; a SIGTERM meant for this program is passed on, Ctrl-C reaches both."""
    process = subprocess.Popen(command)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        process.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise SystemExit(130) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def say(line: str) -> None:
    sys.stdout.write(f"-- {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
