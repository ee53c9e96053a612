"""A FastAPI application that has Holdfast within: opened when it starts, closed when it ends.

    app = FastAPI(lifespan=lifespan(), exception_handlers={HoldfastError: answer_problem})
    app.mount("/", create_app())

Starlette does not run the lifespan of an application that is mounted, so it is the outer one's that opens the store.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette

from holdfast.api.dependencies import attach
from holdfast.model.pack import Pack
from holdfast.runtime.assembly import open_platform
from holdfast.runtime.database import is_development, is_new_file
from holdfast.runtime.settings import load_settings

Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def lifespan(
    url: str | None = None,
    *,
    home: Path | str | None = None,
    packs: Sequence[Pack] = (),
    serving: bool = True,
) -> Lifespan:
    """The lifespan of an application that uses Holdfast; the arguments are `holdfast.open_store`'s. Packs that the settings
    name are known to the command line too.

    An application with a lifespan of its own enters it there: `async with lifespan(…)(app): …`. `serving` also does what a
    server does besides answering: it witnesses where the database stands. Several processes may do so at once. Jobs are a
    worker's: `holdfast worker` beside the application.
    """

    @asynccontextmanager
    async def opened(app: Starlette) -> AsyncIterator[None]:
        settings = load_settings().changed(
            "lifespan(…)", database_url=url, home=None if home is None else str(home)
        )
        make = is_development(settings) or is_new_file(settings)
        async with open_platform(settings, packs=packs, make=make, serving=serving) as platform:
            attach(app, platform)
            yield

    return opened
