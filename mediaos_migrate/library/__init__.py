"""What an app uses in place of its file store: repositories in its own words, whatever home is believed."""

from .jobs import Job, Jobs, LostLease
from .repository import Repository
from .sessions import Sessions
from .site import Site
from .unit import UnitOfWork

__all__ = ["Job", "Jobs", "LostLease", "Repository", "Sessions", "Site", "UnitOfWork"]
