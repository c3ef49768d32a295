"""The recipe box on its own files, as it was."""

from http import HTTPStatus

from box import create
from stores import FileStore, Taken

app = create(
    FileStore("data"),
    {KeyError: HTTPStatus.NOT_FOUND, Taken: HTTPStatus.CONFLICT},
)
