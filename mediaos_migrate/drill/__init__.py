"""The worst day, rehearsed: real processes are killed, starved and contradicted on a copy, and nothing may be lost."""

from .drilling import drill
from .result import Act, Drill
from .writing import write

__all__ = ["Act", "Drill", "drill", "write"]
