"""`JobContext`: what a job is given: the platform, how far an earlier run came, and a place to say how far this one is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from holdfast.accounts.entities import Tenant
from holdfast.errors import Busy, HoldfastError, LeaseLost, Unavailable
from holdfast.runtime.jobs.lease import Lease
from holdfast.runtime.people import all_tenants
from holdfast.store.store import Store
from holdfast.tenancy.scope import Scope

if TYPE_CHECKING:
    from holdfast.runtime.assembly import Platform

_PROBLEMS_TOLD: Final = 20
P = ParamSpec("P")
T = TypeVar("T")
_AT: Final = "tenant"
_FAILED: Final = "failed_tenants"
_FAILED_KEPT: Final = 1_000


class JobContext:
    """One run of a job. `checkpoint` is how far an earlier, unfinished run came; `notes` what an earlier run has left."""

    def __init__(self, platform: Platform, lease: Lease, tell: Callable[[str], None]) -> None:
        """The worker's."""
        self.platform = platform
        self.fence = lease.fence
        """Higher with each run: what takes effect elsewhere can refuse a run that was overtaken."""
        self.problems: dict[str, str] = {}
        """What did not succeed, by name, with the code of the error. A run with problems counts as failed."""
        self.tell = tell
        """Show what is going on."""
        self.stopping = False
        """Whether this run is to end: for the work of `in_thread`, which may look here and return early."""
        self.threads = 0
        """The worker's: how many threads are waited for."""
        self._lease = lease

    @property
    def store(self) -> Store:
        """The store."""
        return self.platform.store

    @property
    def checkpoint(self) -> Mapping[str, Any]:
        """As it was saved last; empty where nothing is left over."""
        return self._lease.checkpoint

    @property
    def notes(self) -> Mapping[str, Any]:
        """As they were noted last."""
        return self._lease.notes

    async def save(self, checkpoint: Mapping[str, Any]) -> None:
        """Save how far this run is, as JSON. A run that is done leaves none. Raises LeaseLost: then stop."""
        await self._lease.renew(checkpoint=dict(checkpoint))
        self._lease.checkpoint = dict(checkpoint)

    async def note(self, notes: Mapping[str, Any]) -> None:
        """Leave something for the next run, as JSON. Raises LeaseLost: then stop."""
        await self._lease.renew(notes=dict(notes))
        self._lease.notes = dict(notes)

    async def guard(self) -> None:
        """Make sure, right before something that cannot be repeated, that this run still has the job. Raises LeaseLost."""
        await self._lease.renew()

    async def in_thread(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """What a plain function returns, called in a thread. A thread cannot be stopped: where this run is, its end is waited
        for, and the job is kept meanwhile, so that no other run begins beside it. It may look at `stopping`.
        """
        thread = asyncio.create_task(asyncio.to_thread(work, *arguments, **named))
        stopped: asyncio.CancelledError | None = None
        self.threads += 1
        try:
            while not thread.done():
                try:
                    await asyncio.wait({thread})
                except asyncio.CancelledError as error:
                    self.stopping, stopped = True, error
        finally:
            self.threads -= 1
        if stopped is None:
            return thread.result()
        if not thread.cancelled():
            thread.exception()  # whatever became of it, nobody asks any more
        raise stopped

    async def for_each_tenant(self, work: Callable[[Tenant, Scope], Awaitable[None]], *, reason: str) -> int:
        """Do `work` in each tenant that is left, in a scope of its own; returns in how many it succeeded.

        A tenant that fails stops no other one: it is told in `problems`. Where this run is stopped, the next one goes on
        behind the last tenant that was done, and does those again that failed before it. Once all have had their turn none is
        left out: a retry does all of them. A database that is gone stops the run.
        """
        tenants = await all_tenants(self.store)
        at, failed = self.checkpoint.get(_AT, ""), set(self.checkpoint.get(_FAILED, ()))
        left = [tenant for tenant in tenants if str(tenant.id) > at or str(tenant.id) in failed]
        done = 0
        for number, tenant in enumerate(left, len(tenants) - len(left) + 1):
            self.tell(f"Tenant {number} of {len(tenants)}.")
            if await self._succeeds(work, tenant, reason):
                done += 1
                failed.discard(str(tenant.id))
            else:
                failed.add(str(tenant.id))
            at = max(at, str(tenant.id))
            if number < len(tenants):
                await self.save({_AT: at, **({_FAILED: sorted(failed)[:_FAILED_KEPT]} if failed else {})})
        if self.checkpoint or left:
            await self.save({})
        return done

    async def _succeeds(
        self, work: Callable[[Tenant, Scope], Awaitable[None]], tenant: Tenant, reason: str
    ) -> bool:
        try:
            await work(tenant, Scope.system(tenant.id, reason=reason))
        except HoldfastError as error:
            if isinstance(error, LeaseLost) or (
                isinstance(error, Unavailable) and not isinstance(error, Busy)
            ):
                raise
            self.problem(tenant.slug, error.code)
        except Exception as error:  # noqa: BLE001 (the other tenants are served all the same)
            self.problem(tenant.slug, type(error).__name__)
        else:
            return True
        return False

    def problem(self, name: str, code: str) -> None:
        """Something did not succeed, and the rest goes on."""
        self.problems[name] = code

    def told_problems(self) -> dict[str, Any]:
        """The problems for the report, as many as are of use."""
        if not self.problems:
            return {}
        shown = dict(list(self.problems.items())[:_PROBLEMS_TOLD])
        return {"problems": shown, "problem_count": len(self.problems)}
