"""The recipe box answers alike on its files and on two homes, at every stage, and its files stay its own."""

import json
import re
import shutil
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import uvicorn
from inside import command
from pages import ROOT

from mediaos_migrate import Site
from mediaos_migrate.errors import Conflict, NeedsKey, NoRecord
from mediaos_migrate.stages import Stage

EXAMPLE = ROOT / "examples" / "recipebox"
PACK = EXAMPLE / "pack"
KEY = "recipebox-key-of-more-than-32-characters"
FILES = ("recipes.json", "cooks.json", "settings.json")
ADA, GULSAH = "cook_1759276700000_a7d4w2q9x", "cook_1759276700001_g5t8e1n3u"
BRULEE, SALAD = "recipe_1759363200000_k8m1p5z0v", "recipe_1759536000000_w9f2l4s6t"
STAGES = list(Stage)


@pytest.fixture(autouse=True)
def box(monkeypatch):
    """Import the example as its reader does: from its own folder."""
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.setenv("RECIPEBOX_KEY", KEY)
    yield
    for name in ("box", "stores"):
        sys.modules.pop(name, None)


def tool(data, *words, code=0):
    """Run a command on the box's data, as its operator would."""
    told = command(*words, "--data", data, "--app", PACK, RECIPEBOX_KEY=KEY)
    assert told.code == code, told.err
    return told


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """Make the box's data with all documents at a stage, once for each stage."""
    made = {}

    def data(stage):
        if stage not in made:
            made[stage] = Path(shutil.copytree(EXAMPLE / "data", tmp_path_factory.mktemp("box") / "data"))
            tool(made[stage], "migrate")
            tool(made[stage], "stage", "advance", "--to", stage, "--policy", "ci")
        return made[stage]

    return data


def on_files(data):
    from box import create
    from stores import FileStore, Taken

    return create(FileStore(str(data)), {KeyError: HTTPStatus.NOT_FOUND, Taken: HTTPStatus.CONFLICT})


def on_homes(data):
    from box import create

    errors = {NoRecord: HTTPStatus.NOT_FOUND, Conflict: HTTPStatus.CONFLICT}
    return create(Site.open(data, app=str(PACK)), errors)


@contextmanager
def served(app):
    """Serve an app in a thread, on a port that is free; the socket listens before the server does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


REQUESTS = [
    ("GET", "/recipes", None),
    ("GET", f"/recipes?cook={ADA}", None),
    ("GET", f"/recipes/{BRULEE}", None),
    ("GET", "/recipes/none", None),
    ("GET", "/search?q=beetroot", None),
    ("GET", "/search?q=beetroot sal", None),
    ("GET", "/search?q=", None),
    ("POST", "/recipes", {"title": "Żurek", "cook": ADA, "minutes": 90, "tags": [], "source": {"book": None}}),
    ("POST", "/recipes", {"title": "żUREK"}),
    ("POST", "/recipes", {"minutes": 3}),
    ("GET", "/search?q=żur", None),
    ("PATCH", f"/recipes/{BRULEE}", {"minutes": 70, "tags": ["sweet"]}),
    ("PATCH", f"/recipes/{BRULEE}", {"title": "BEETROOT soup"}),
    ("PATCH", "/recipes/none", {"minutes": 1}),
    ("DELETE", f"/recipes/{SALAD}", None),
    ("DELETE", f"/recipes/{SALAD}", None),
    ("POST", "/cooks", {"name": "Olu", "email": "olu@example.org", "likes": "plantain"}),
    ("POST", "/cooks", {"name": "Another", "email": "ADA@example.org"}),
    ("GET", "/cooks", None),
    ("POST", f"/cooks/{GULSAH}/leave", {"to": ADA}),
    ("POST", f"/cooks/{GULSAH}/leave", {"to": ADA}),
    ("GET", f"/recipes?cook={ADA}", None),
    ("GET", "/settings", None),
    ("POST", "/settings/log-in", {"password": "correct horse battery"}),
    ("PATCH", "/settings", {"theme": "light"}),
    ("POST", "/settings/log-in", {"password": "correct horse battery"}),
    (
        "PATCH",
        "/settings",
        {"mail": {"host": "smtp.example.org", "user": "box", "password": "a new one"}},
    ),
    ("POST", "/settings/log-in", {"password": "a new one"}),
    ("GET", "/recipes", None),
]


def ids_aside(text):
    """Return a text in which each key that was made while testing stands as its place among them."""
    made = dict.fromkeys(re.findall(r"(?:recipe|cook)_\d{13}_[a-z0-9]{9}", text))
    old = "".join((EXAMPLE / "data" / name).read_text(encoding="utf-8") for name in FILES)
    for number, key in enumerate(key for key in made if key not in old):
        text = text.replace(key, f"<{number}>")
    return text


def conversation(app):
    with served(app) as client:
        answers = [client.request(method, path, json=body) for method, path, body in REQUESTS]
    return ids_aside("\n".join(f"{answer.status_code} {answer.text}" for answer in answers)).splitlines()


def texts(data):
    return {name: ids_aside((data / name).read_text(encoding="utf-8")) for name in FILES}


@pytest.fixture(scope="session")
def usual(tmp_path_factory):
    """What the box says on its own files, and what it leaves in them."""
    data = Path(shutil.copytree(EXAMPLE / "data", tmp_path_factory.mktemp("usual") / "data"))
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(EXAMPLE))
        return conversation(on_files(data)), texts(data)


@pytest.mark.parametrize("stage", STAGES, ids=str)
def test_the_box_answers_alike_at_every_stage_and_writes_the_same_files(stage, migrated, usual, tmp_path):
    data = Path(shutil.copytree(migrated(stage), tmp_path / "data"))
    answers, files = usual
    assert conversation(on_homes(data)) == answers
    untouched = {name: (EXAMPLE / "data" / name).read_text(encoding="utf-8") for name in FILES}
    assert texts(data) == (untouched if stage is Stage.COMPLETE else files)
    tool(data, "validate", code=3 if stage is Stage.OFF else 0)


def test_the_conversation_meets_every_answer_that_the_box_has(usual):
    assert {answer[:3] for answer in usual[0]} == {"200", "201", "204", "400", "404", "409"}


def test_no_answer_and_no_database_shows_the_password(migrated, tmp_path):
    data = Path(shutil.copytree(migrated(Stage.LIVE), tmp_path / "data"))
    assert "correct horse" not in "".join(conversation(on_homes(data)))
    assert b"a new one" not in b"".join(path.read_bytes() for path in data.glob("mediaos.db*"))


@pytest.mark.parametrize("stage", STAGES[1:], ids=str)
def test_the_box_reads_its_files_again_after_a_retreat(stage, migrated, usual, tmp_path):
    data = Path(shutil.copytree(migrated(stage), tmp_path / "data"))
    conversation(on_homes(data))
    tool(data, "stage", "retreat", "--to", "off")
    assert texts(data) == usual[1]
    with served(on_files(data)) as client:
        told = ids_aside(client.get("/recipes").text)
    assert told == usual[0][-1].removeprefix("200 ")


def test_a_running_box_follows_every_stage_there_and_back(migrated, tmp_path):
    data = Path(shutil.copytree(migrated(Stage.OFF), tmp_path / "data"))
    moves = [("advance", stage) for stage in STAGES[1:]] + [("retreat", stage) for stage in STAGES[-2::-1]]
    wanted = []
    with served(on_homes(data)) as client:
        for move, stage in moves:
            prepare(data, move)
            tool(data, "stage", move, "--to", stage, *(["--policy", "ci"] if move == "advance" else []))
            wanted.append(f"{move} to {stage}")
            assert client.post("/recipes", json={"title": wanted[-1]}).status_code == HTTPStatus.CREATED
        told = [recipe["title"] for recipe in client.get("/recipes").json()]
    assert set(wanted) <= set(told)
    assert set(wanted) <= {item["title"] for item in json.loads((data / "recipes.json").read_text())["recipes"]}


def prepare(data, move):
    """Do what an operator does before a step forward, as `stage why-not` asks for it."""
    if move == "advance":
        tool(data, "mirror", "flush")
        tool(data, "validate", "--record")


@pytest.mark.parametrize("stage", [Stage.SHADOW, Stage.LIVE], ids=str)
def test_every_recipe_of_many_threads_is_kept(stage, migrated, tmp_path):
    data = Path(shutil.copytree(migrated(stage), tmp_path / "data"))
    titles = [[f"Loaf {thread} of batch {number}" for number in range(10)] for thread in range(20)]
    with served(on_homes(data)) as client, ThreadPoolExecutor(20) as pool:
        codes = pool.map(lambda mine: [client.post("/recipes", json={"title": t}).status_code for t in mine], titles)
        assert {code for each in codes for code in each} == {HTTPStatus.CREATED}
        told = [recipe["title"] for recipe in client.get("/recipes").json()]
    assert {title for mine in titles for title in mine} <= set(told)
    assert len(json.loads((data / "recipes.json").read_text(encoding="utf-8"))["recipes"]) == 204


def in_settings(data):
    return json.loads((data / "settings.json").read_text(encoding="utf-8"))


def test_without_its_key_the_box_is_never_given_a_seal_for_its_password(migrated, tmp_path, monkeypatch):
    data = Path(shutil.copytree(migrated(Stage.LIVE), tmp_path / "data"))
    monkeypatch.delenv("RECIPEBOX_KEY")
    told = "settings holds values that were sealed in the database: mail.password."
    with Site.open(data, app=str(PACK)) as site:
        with pytest.raises(NeedsKey, match=told):
            site.repository("settings").get("settings")
        with pytest.raises(NeedsKey, match=told):
            site.repository("settings").update("settings", {"theme": "light"})
    assert in_settings(data) == in_settings(EXAMPLE / "data")


def test_what_the_box_writes_to_its_file_without_its_key_is_taken_over_with_it(migrated, tmp_path, monkeypatch):
    data = Path(shutil.copytree(migrated(Stage.DUALWRITE), tmp_path / "data"))
    monkeypatch.delenv("RECIPEBOX_KEY")
    with Site.open(data, app=str(PACK)) as site:
        site.repository("settings").update("settings", {"theme": "light"})
    assert in_settings(data) == {**in_settings(EXAMPLE / "data"), "theme": "light"}
    tool(data, "migrate")
    tool(data, "validate")


def test_the_schema_of_the_example_is_without_fault():
    assert command("schema", "lint", "--app", PACK).code == 0
