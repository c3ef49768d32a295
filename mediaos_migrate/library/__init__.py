"""What an app uses in place of its file store: repositories in its own words, whatever home is believed."""

from .repository import Repository
from .site import Site
from .unit import UnitOfWork

__all__ = ["Repository", "Site", "UnitOfWork"]
