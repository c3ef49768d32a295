"""The recipe box: recipes, the cooks they are from, and the settings, over HTTP. It does not know what keeps them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from stores import Store

Answer = tuple[HTTPStatus, Any]
Errors = Mapping[type[Exception], HTTPStatus]  # what a store may raise, and what HTTP calls it


class Box:
    """What can be asked; each method answers one kind of request, in a thread of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def recipes(self, request: Request, _: Any) -> Answer:
        cook = request.query_params.get("cook")
        return HTTPStatus.OK, self._store.repository("recipes").list({"cook": cook} if cook else None, "title")

    def search(self, request: Request, _: Any) -> Answer:
        found = self._store.repository("recipes").search(request.query_params.get("q", ""))
        return HTTPStatus.OK, sorted(found, key=lambda recipe: str(recipe["title"]))

    def recipe(self, request: Request, _: Any) -> Answer:
        return self._one("recipes", request.path_params["key"])

    def add_recipe(self, _: Request, body: Any) -> Answer:
        return self._added("recipes", body, "title")

    def change_recipe(self, request: Request, body: Any) -> Answer:
        self._store.repository("recipes").update(request.path_params["key"], body)
        return self.recipe(request, None)

    def remove_recipe(self, request: Request, _: Any) -> Answer:
        self._store.repository("recipes").remove(request.path_params["key"])
        return HTTPStatus.NO_CONTENT, None

    def cooks(self, _: Request, __: Any) -> Answer:
        return HTTPStatus.OK, self._store.repository("cooks").list()

    def add_cook(self, _: Request, body: Any) -> Answer:
        return self._added("cooks", body, "email")

    def leave(self, request: Request, body: Any) -> Answer:
        """Hand a cook's recipes over to another one, and forget the cook: both or neither."""
        cook = request.path_params["key"]
        with self._store.unit_of_work() as unit:
            for recipe in self._store.repository("recipes").list({"cook": cook}):
                unit.repository("recipes").update(recipe["id"], {"cook": body["to"]})
            unit.repository("cooks").remove(cook)
        return HTTPStatus.NO_CONTENT, None

    def settings(self, _: Request, __: Any) -> Answer:
        """Tell the settings, but for the password."""
        settings = self._store.repository("settings").get("settings")
        mail = {name: value for name, value in settings["mail"].items() if name != "password"}
        return HTTPStatus.OK, {**settings, "mail": mail}

    def change_settings(self, request: Request, body: Any) -> Answer:
        self._store.repository("settings").update("settings", body)
        return self.settings(request, None)

    def log_in(self, _: Request, body: Any) -> Answer:
        """Tell whether this is the password that the box would send its mail with."""
        mail = self._store.repository("settings").get("settings")["mail"]
        return HTTPStatus.OK, {"fits": body["password"] == mail["password"]}

    def _one(self, name: str, key: str, status: HTTPStatus = HTTPStatus.OK) -> Answer:
        record = self._store.repository(name).get(key)
        return (status, record) if record is not None else (HTTPStatus.NOT_FOUND, {"error": "Not Found"})

    def _added(self, name: str, body: Any, needed: str) -> Answer:
        if not isinstance(body, dict) or not isinstance(body.get(needed), str):
            return HTTPStatus.BAD_REQUEST, {"error": f"{needed} is missing"}
        return self._one(name, self._store.repository(name).add(body), HTTPStatus.CREATED)


def create(store: Store, errors: Errors) -> Starlette:
    """Make the app on a store, which is closed when the app ends."""
    box = Box(store)

    @asynccontextmanager
    async def life(_: Starlette) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(store.close)

    routes = [
        _route("GET", "/recipes", box.recipes),
        _route("POST", "/recipes", box.add_recipe),
        _route("GET", "/recipes/{key}", box.recipe),
        _route("PATCH", "/recipes/{key}", box.change_recipe),
        _route("DELETE", "/recipes/{key}", box.remove_recipe),
        _route("GET", "/search", box.search),
        _route("GET", "/cooks", box.cooks),
        _route("POST", "/cooks", box.add_cook),
        _route("POST", "/cooks/{key}/leave", box.leave),
        _route("GET", "/settings", box.settings),
        _route("PATCH", "/settings", box.change_settings),
        _route("POST", "/settings/log-in", box.log_in),
    ]
    handlers = {error: _told(status) for error, status in errors.items()}
    return Starlette(routes=routes, lifespan=life, exception_handlers=handlers)


def _route(method: str, path: str, act: Callable[[Request, Any], Answer]) -> Route:
    """Answer requests in a worker thread: a store may wait for a disk, the event loop may not."""

    async def endpoint(request: Request) -> Response:
        body = await request.json() if method in ("POST", "PATCH") else None
        status, value = await run_in_threadpool(act, request, body)
        return JSONResponse(value, status) if value is not None else Response(status_code=status)

    return Route(path, endpoint, methods=[method])


def _told(status: HTTPStatus) -> Callable[[Request, Exception], Response]:
    def handler(_: Request, __: Exception) -> Response:
        return JSONResponse({"error": status.phrase}, status)

    return handler
