"""The recipe box on two homes: the same files, and a database."""

from http import HTTPStatus

from box import create

from mediaos_migrate import Site
from mediaos_migrate.errors import Conflict, NoRecord, Refused

app = create(
    Site.open("data", app="pack"),
    {NoRecord: HTTPStatus.NOT_FOUND, Conflict: HTTPStatus.CONFLICT, Refused: HTTPStatus.SERVICE_UNAVAILABLE},
)
