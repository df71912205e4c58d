"""A stand-in for Qdrant's server: qdrant-client's local mode, asked over HTTP as the server is."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from qdrant_client import QdrantClient, models

ACTIONS = {
    "GET/exists": "exists", "PUT": "make", "GET": "about", "PUT/points": "put", "POST/points": "get",
    "POST/points/query": "query", "POST/points/delete": "delete", "POST/points/count": "count",
}  # fmt: skip


class StandIn:
    """Answers at ``url``; ``key`` is asked for if it is set, ``fail`` names actions that are refused with 500."""

    def __init__(self):
        self.client, self.key, self.fail, self.asked, self.lock = (
            QdrantClient(":memory:"),
            "",
            set(),
            [],
            threading.Lock(),
        )
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _handler(stand_in):
        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, result = stand_in.answer(
                    self.command, self.path, self.headers.get("api-key", ""), json.loads(content or b"null")
                )
                body = json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = answer

            def log_message(self, *arguments):
                pass

        return Handler

    def answer(self, method, path, key, body):
        _, _, name, *rest = path.split("?")[0].split("/")
        action = "/".join([method, *rest])
        with self.lock:
            self.asked.append((action, body))
            if self.key and key != self.key:
                return 403, None
            if action in self.fail:
                return 500, None
            if action not in ("GET/exists", "PUT") and not self.client.collection_exists(name):
                return 404, None
            return 200, getattr(self, ACTIONS[action])(name, body)

    def exists(self, name, body):
        return {"exists": self.client.collection_exists(name)}

    def make(self, name, body):
        return self.client.create_collection(name, models.CreateCollection(**body).vectors)

    def about(self, name, body):
        return self.client.get_collection(name).model_dump(mode="json")

    def put(self, name, body):
        return self.client.upsert(name, models.PointsBatch(**body).batch).model_dump(mode="json")

    def get(self, name, body):
        found = self.client.retrieve(name, body["ids"], body["with_payload"], body["with_vector"])
        return [point.model_dump(mode="json") for point in found]

    def query(self, name, body):
        asked = models.QueryRequest(**body)
        found = self.client.query_points(
            name, asked.query, limit=asked.limit, query_filter=asked.filter, with_payload=False, with_vectors=True
        )
        return found.model_dump(mode="json")

    def delete(self, name, body):
        return self.client.delete(name, models.PointIdsList(**body)).model_dump(mode="json")

    def count(self, name, body):
        return self.client.count(name, models.CountRequest(**body).filter).model_dump(mode="json")


@contextmanager
def running():
    """A stand-in that answers until the end."""
    stand_in = StandIn()
    thread = threading.Thread(target=stand_in.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stand_in
    finally:
        stand_in.server.shutdown()
        stand_in.server.server_close()
        thread.join()
