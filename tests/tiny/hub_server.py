"""A Hugging Face Hub on loopback: what huggingface_hub asks of one repository, and no more.

Commits are snapshots of paths; one that names another parent than the head is refused (412).
Content of more than `LFS_FROM` bytes goes through the LFS batch endpoint, as on the Hub. What the
Hub answers follows its documented API and what huggingface_hub 2.4 reads of it.
"""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from huggingface_hub import close_session

from tests.tiny.hub_repository import LFS_FROM, Hub, Refused, Tree
from tests.tiny.registries import loopback_only

__all__ = ["hub_server"]

PAGE = 7
TOKENS = {"hf_ana": "write", "hf_tom": "write", "hf_eve": "read"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet, or the client waits 40 ms for the second one
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        self.body = self.rfile.read(size) if size else b""
        self.link = ""
        url = urlsplit(self.path)
        self.query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.hub.asked.append(f"{self.command} {unquote(url.path)}")
        self.hub.fails_at -= 1
        try:
            if self.hub.fails_at == 0:
                raise Refused(400)
            status, body = self._route(url.path)
        except Refused as refused:
            told = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
            self._send(refused.status, b"{}", told)
        else:
            self._send(status, body, {"Link": self.link} if self.link else {})

    do_GET = do_POST = do_PUT = do_HEAD = _answer

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _route(self, path: str) -> tuple[int, bytes]:
        hub, role = self.hub, self._role()
        if path == "/api/whoami-v2":
            if role is None:
                raise Refused(401, message="Invalid credentials in Authorization header")
            token = {"displayName": "shows", "role": role}
            return _json({"name": "ana", "auth": {"accessToken": token}})
        if path.startswith("/lfs/") and self.command == "PUT":
            hub.before_upload()
            if hub.keep(self.body) != path.removeprefix("/lfs/"):
                raise Refused(400)
            return 200, b""
        api, git = f"/api/{hub.type}s/{hub.repo}", f"/{hub.type}s/{hub.repo}"
        if role is None and hub.private:
            raise Refused(401, "RepoNotFound", "Repository not found")
        if path == f"{git}.git/info/lfs/objects/batch":
            return self._batch(role)
        if path == api:
            return _json({"id": hub.repo, "private": hub.private})
        if path.startswith(f"{git}/resolve/"):
            revision, _, name = path.removeprefix(f"{git}/resolve/").partition("/")
            return self._resolve(self._tree(unquote(revision)), unquote(name))
        if not path.startswith(f"{api}/"):
            raise Refused(404, "RepoNotFound", "Repository not found")
        verb, _, rest = path.removeprefix(f"{api}/").partition("/")
        revision, _, name = rest.partition("/")
        return self._api(verb, unquote(revision), unquote(name), role)

    def _api(self, verb: str, revision: str, name: str, role: str | None) -> tuple[int, bytes]:
        tree = self._tree(revision)
        if verb == "revision":
            return _json({"id": self.hub.repo, "sha": self.hub.heads.get(revision, revision)})
        if verb == "tree":
            return self._list(tree, name)
        if verb == "paths-info":
            paths = parse_qs(self.body.decode())["paths"]
            return _json([self.hub.info(one, tree[one]) for one in paths if one in tree])
        if role != "write":
            raise Refused(403, message="Forbidden")
        if verb == "preupload":
            files = json.loads(self.body)["files"]
            return _json({"files": [self._mode(tree, one) for one in files]})
        assert verb == "commit"
        return self._commit(revision)

    def _role(self) -> str | None:
        return TOKENS.get(self.headers.get("Authorization", "").removeprefix("Bearer "))

    def _tree(self, revision: str) -> Tree:
        if revision not in self.hub.heads and revision not in self.hub.commits:
            raise Refused(404, "RevisionNotFound")
        return self.hub.tree(revision)

    def _mode(self, tree: Tree, one: dict[str, Any]) -> dict[str, Any]:
        path = one["path"]
        mode = "lfs" if one["size"] >= LFS_FROM else "regular"
        told = {"path": path, "uploadMode": mode, "shouldIgnore": False}
        if path in tree:
            info = self.hub.info(path, tree[path])
            told["oid"] = info["lfs"]["oid"] if "lfs" in info else info["oid"]
        return told

    def _list(self, tree: Tree, folder: str) -> tuple[int, bytes]:
        start = f"{folder}/" if folder else ""
        files = [path for path in sorted(tree) if path.startswith(start)]
        if folder and not files:
            raise Refused(404, "EntryNotFound")
        rows = {path: self.hub.info(path, tree[path]) for path in files}
        if self.query.get("recursive") != "true":
            rows = {}
            for path in files:
                first, _, rest = path[len(start) :].partition("/")
                name = f"{start}{first}"
                folder_row = {"type": "directory", "path": name, "oid": "0" * 40, "size": 0}
                rows[name] = folder_row if rest else self.hub.info(path, tree[path])
        begin = int(self.query.get("cursor", 0))
        listed = list(rows.values())
        if begin + PAGE < len(listed):
            url = f"{self.hub.url}{self.path.partition('?')[0]}"
            more = self.query | {"cursor": str(begin + PAGE)}
            asked = "&".join(f"{name}={value}" for name, value in more.items())
            self.link = f'<{url}?{asked}>; rel="next"'
        return _json(listed[begin : begin + PAGE])

    def _resolve(self, tree: Tree, path: str) -> tuple[int, bytes]:
        if path not in tree:
            raise Refused(404, "EntryNotFound")
        data = self.hub.content[tree[path]]
        given = self.headers.get("Range")
        if given is None:
            return 200, data
        first, _, last = given.removeprefix("bytes=").partition("-")
        if int(first) >= len(data):
            raise Refused(416)
        return 206, data[int(first) : int(last) + 1]

    def _batch(self, role: str | None) -> tuple[int, bytes]:
        if role != "write":
            raise Refused(403, message="Forbidden")
        told = []
        for one in json.loads(self.body)["objects"]:
            href = {"href": f"{self.hub.url}/lfs/{one['oid']}"}
            known = one["oid"] in self.hub.content
            told.append(one if known else {**one, "actions": {"upload": href}})
        return _json({"transfer": "basic", "objects": told})

    def _commit(self, branch: str) -> tuple[int, bytes]:
        hub = self.hub
        hub.before_commit()
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = lines[0]["value"]
        with hub.lock:
            if header.get("parentCommit", hub.heads[branch]) != hub.heads[branch]:
                hub.refused += 1
                raise Refused(412, message="A commit has happened since. Please refresh.")
            tree = dict(hub.tree(branch))
            for line in lines[1:]:
                value = line["value"]
                if line["key"] == "file":
                    tree[value["path"]] = hub.keep(base64.b64decode(value["content"]))
                elif line["key"] == "lfsFile":
                    assert value["oid"] in hub.content
                    tree[value["path"]] = value["oid"]
                else:
                    del tree[value["path"]]
            head = hub.move(branch, tree, header["summary"])
        if hub.lose_reply:
            hub.lose_reply = False
            self.connection.shutdown(socket.SHUT_RDWR)
        url = f"{hub.url}/{hub.repo}/commit/{head}"
        return _json({"commitUrl": url, "commitOid": head, "success": True})


def _json(told: object) -> tuple[int, bytes]:
    return 200, json.dumps(told).encode()


@contextmanager
def hub_server(monkeypatch: pytest.MonkeyPatch, hub: Hub | None = None) -> Iterator[Hub]:
    """Run one, and let huggingface_hub take it for the Hub, as ana."""
    hub = hub or Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    for name, value in (
        ("ENDPOINT", hub.url),
        ("HUGGINGFACE_CO_URL_TEMPLATE", template),
        ("HF_HUB_OFFLINE", False),
        ("HF_HUB_DISABLE_XET", True),
    ):
        monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", hub.url)
    monkeypatch.setattr(socket.socket, "connect", loopback_only)
    monkeypatch.setenv("HF_TOKEN", "hf_ana")
    try:
        yield hub
    finally:
        close_session()  # connections that it keeps are to this server
        server.shutdown()
        server.server_close()
        thread.join()
