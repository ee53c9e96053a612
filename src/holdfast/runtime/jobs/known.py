"""The jobs of a deployment: the platform's own, and those of its packs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from holdfast.errors import DeclarationError, NotFound
from holdfast.model.job import Job
from holdfast.model.pack import Pack


def jobs_of(packs: Iterable[Pack]) -> dict[str, Job]:
    """Name → job, the platform's first. Raises DeclarationError for two of one name."""
    from holdfast.runtime.jobs.own import OWN_JOBS

    whose = [("Holdfast", OWN_JOBS), *((f"the pack {pack.name}", pack.jobs) for pack in packs)]
    found: dict[str, tuple[str, Job]] = {}
    for owner, jobs in whose:
        for job in jobs:
            if not isinstance(job, Job):
                raise DeclarationError("a pack's jobs are a tuple of holdfast.Job", where=owner)
            if job.name in found:
                raise DeclarationError(
                    f"two jobs are called {job.name}: one of {found[job.name][0]}, one of {owner}",
                    where=job.name,
                    hint="Give one of them another name; the pack's name in front of it sets it apart.",
                )
            found[job.name] = owner, job
    return {name: job for name, (_, job) in found.items()}


def find_job(jobs: Mapping[str, Job], name: str) -> Job:
    """The job of this name. Raises NotFound, with the name that may have been meant."""
    if name in jobs:
        return jobs[name]
    close = get_close_matches(name, jobs, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"There are {', '.join(sorted(jobs))}."
    raise NotFound("There is no such job.", where=name[:64], hint=hint)
