"""Lets many processes or threads write at once, and tells how many acknowledged writes both homes hold.

A program of its own, because it forks: python tests/crowd.py FOLDER processes|threads WORKERS REQUESTS
"""

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from mediaos_migrate import Site


def work(site: Site, worker: int, requests: int, acknowledged: Callable[[str, int], None]) -> None:
    """Write one record of one's own again and again, and read in between."""
    library = site.repository("library")
    for number in range(requests // 2):
        key = library.put({"id": f"worker{worker:03d}", "kind": "movie", "title": f"{worker} {number}"})
        acknowledged(str(key), number)
        found = library.get(key)
        if found is None or found["title"] != f"{worker} {number}":
            raise AssertionError(found)


def in_processes(folder: Path, workers: int, requests: int) -> dict[str, int]:
    """Fork workers; return the last write that each of them heard to be done."""
    reading, writing = os.pipe()
    children = []
    for worker in range(workers):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with Site.open(folder) as site:
                    work(site, worker, requests, lambda key, n: os.write(writing, f"{key} {n}\n".encode()))
                code = 0
            except BaseException:  # noqa: BLE001  a child ends here, and says why
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(child)
    os.close(writing)
    with os.fdopen(reading) as stream:
        told = [line.split() for line in stream]
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    if any(ended):
        raise AssertionError(ended)
    return {key: max(int(n) for k, n in told if k == key) for key, _ in told}


def in_threads(folder: Path, workers: int, requests: int) -> dict[str, int]:
    """Start workers as threads of one process."""
    last: dict[str, int] = {}
    failures: list[BaseException] = []
    with Site.open(folder) as site:

        def run(worker: int) -> None:
            try:
                work(site, worker, requests, last.__setitem__)
            except BaseException as error:  # noqa: BLE001  told by the main thread
                failures.append(error)

        threads = [threading.Thread(target=run, args=(worker,)) for worker in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return last


def naive(folder: Path, workers: int) -> int:
    """Do the same as the app does it: load the file, change it, save it; return how many records are left."""
    path = folder / "naive.json"
    path.write_text('{"items": []}')
    children = []
    for worker in range(workers):
        child = os.fork()
        if child == 0:
            try:
                value = json.loads(path.read_text() or '{"items": []}')
            except ValueError:
                value = {"items": []}  # a damaged file is an empty one to the app
            value["items"].append({"id": f"worker{worker:03d}"})
            path.write_text(json.dumps(value))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    try:
        return len(json.loads(path.read_text())["items"])
    except ValueError:
        return 0


if __name__ == "__main__":
    folder, kind, workers, requests = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    last = {"processes": in_processes, "threads": in_threads}[kind](folder, workers, requests)
    with Site.open(folder) as site:
        site.flush()
        table = {item["id"]: item["title"] for item in site.repository("library").list()}
    items = json.loads((folder / "library.json").read_text(encoding="utf-8"))["items"]
    file = {item["id"]: item["title"] for item in items}
    kept = [key for key, n in last.items() if table[key] == file[key] == f"{int(key[6:])} {n}"]
    told = {"acknowledged": len(last), "kept": len(kept), "naive": naive(folder, workers), "of": workers}
    sys.stdout.write(json.dumps(told))
