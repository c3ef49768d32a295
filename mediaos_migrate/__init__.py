"""Every record has two homes, a JSON file and a table; the stage says which one is believed.

A pack describes an app's files and tables, a site is one installation of it, and a report says where the
two homes differ. Nothing is ever lost on the way from one to the other, or back.
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

__version__ = version("mediaos-migrate")

from .errors import MigrateError
from .pack import Pack

if TYPE_CHECKING:
    from .library import Site

__all__ = ["MigrateError", "Pack", "Site", "__version__"]


def __getattr__(name: str) -> Any:
    """Load what embeds the toolkit in an app when it is asked for: a command has no need of it."""
    if name == "Site":
        from .library import Site

        return Site
    raise AttributeError(name)
