"""The library for async apps (asyncio or trio): the same words, awaited. Comes with `mediaos-migrate[aio]`."""

try:
    import anyio  # noqa: F401  only whether it is there
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError("mediaos_migrate.aio needs anyio: pip install 'mediaos-migrate[aio]'.") from missing

from .repository import Repository
from .services import Jobs, Sessions
from .site import Site
from .unit import UnitOfWork

__all__ = ["Jobs", "Repository", "Sessions", "Site", "UnitOfWork"]
