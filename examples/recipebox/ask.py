"""Ask the running box: `python ask.py POST /recipes '{"title": "Rye"}'`, or a lot at once: `python ask.py rush`."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx

THREADS, EACH = 20, 10


def box() -> httpx.Client:
    """Return a client that waits until the box answers."""
    return httpx.Client(transport=httpx.HTTPTransport(uds="box.sock", retries=8), base_url="http://box", timeout=60)


def ask(method: str, path: str, body: str | None = None) -> str:
    """Return the status and the answer to one request."""
    with box() as client:
        answer = client.request(method, path, content=body)
    return " ".join([str(answer.status_code), answer.text]).strip()


def rush() -> str:
    """Add recipes from many threads at once, and count which of those that were promised are there."""
    titles = [[f"Loaf {thread} of batch {number}" for number in range(EACH)] for thread in range(THREADS)]
    with ThreadPoolExecutor(THREADS) as pool:
        promised = {title for kept in pool.map(bake, titles) for title in kept}
    with box() as client:
        found = tried(client, "GET", "/recipes")
    there = {recipe["title"] for recipe in found.json()} if found else set()
    return json.dumps({"asked": THREADS * EACH, "promised": len(promised), "there": len(promised & there)})


def bake(titles: list[str]) -> list[str]:
    """Add recipes, and return the titles of those that the box says it has."""
    with box() as client:
        return [title for title in titles if tried(client, "POST", "/recipes", {"title": title})]


def tried(client: httpx.Client, method: str, path: str, value: object = None) -> httpx.Response | None:
    """Return an answer, None when there was none or a bad one."""
    try:
        answer = client.request(method, path, json=value)
    except httpx.HTTPError:  # the box fell over this request
        return None
    return answer if answer.is_success else None


if __name__ == "__main__":
    sys.stdout.write((rush() if sys.argv[1:] == ["rush"] else ask(*sys.argv[1:])) + "\n")
