"""An HTTP server that pretends to be a service, records what it was asked, and misbehaves when told to."""

import http.server
import socket
import threading
import time
import traceback
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from .process import free_port


class Request(NamedTuple):
    """A request that a fake was asked. Header names are in lower case."""
    at: float                   # wall clock
    method: str
    path: str
    query: list                 # of (name, value)
    headers: dict
    body: bytes

    @property
    def form(self):
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class Answer(NamedTuple):
    body: bytes = b""
    status: int = 200
    content_type: str = "text/plain"
    headers: tuple = ()


class Fault(NamedTuple):
    """How to misbehave. Without any of these: the right answer."""
    path: str = ""              # only requests whose path begins so
    method: str = None          # only requests of this method
    status: int = None          # another status, and `body`
    body: object = None         # this body (str or bytes) under status 200, or under `status`
    delay_s: float = 0          # the right answer, late
    drip_s: float = 0           # the answer a byte at a time, with this pause between them
    hang: bool = False          # no answer, the connection stays open
    drop: bool = False          # the connection is closed without an answer
    oversize: int = 0           # the answer is padded to so many bytes


class FakeService:
    """Start and stop it, or use it in a `with`. refuse() closes the port, so that connects are refused."""

    def __init__(self, host="127.0.0.1"):
        self.host = host
        self.port = free_port()
        self.requests = []
        self.clock_offset_s = 0         # how far the Date header of the answers is ahead
        self._faults = []               # [fault, times left or None]
        self._lock = threading.Lock()
        self._server = None
        self._stopping = threading.Event()

    @property
    def url(self):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def start(self):
        if self._server is None:
            self._stopping.clear()
            self._server = _listen(self)
            threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self):
        if self._server is not None:
            self._stopping.set()
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    refuse = stop

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.stop()

    def fail(self, times=None, **fault):
        """Misbehaves from now on as class Fault says, `times` times or until heal(). Later calls come after earlier
        ones are used up."""
        with self._lock:
            self._faults.append([Fault(**fault), times])
        return self

    def heal(self):
        with self._lock:
            self._faults.clear()

    def asked(self, method=None, path=None):
        """The requests so far, perhaps only those of a method or whose path begins with `path`."""
        with self._lock:
            return [r for r in self.requests
                    if (method is None or r.method == method) and (path is None or r.path.startswith(path))]

    def answer(self, request):
        raise NotImplementedError

    def _take_fault(self, request):
        with self._lock:
            self.requests.append(request)
            for entry in self._faults:
                fault, left = entry
                if left == 0 or not request.path.startswith(fault.path) or fault.method not in (None, request.method):
                    continue
                if left is not None:
                    entry[1] -= 1
                return fault
        return Fault()

    def _serve(self, handler):
        request = _request(handler)
        fault = self._take_fault(request)
        if fault.hang:
            self._stopping.wait()
        if fault.hang or fault.drop:
            handler.close_connection = True
            return
        self._stopping.wait(fault.delay_s)
        if fault.status is not None or fault.body is not None:
            body = fault.body if fault.body is not None else ""
            answer = Answer(body.encode() if isinstance(body, str) else body, fault.status or 200)
        else:
            answer = self.answer(request)
        if fault.oversize:
            answer = answer._replace(body=answer.body.ljust(fault.oversize))
        self._send(handler, answer, fault.drip_s)

    def _send(self, handler, answer, drip_s):
        handler.send_response(answer.status)
        handler.send_header("Content-Type", answer.content_type)
        handler.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            handler.send_header(name, value)
        handler.end_headers()
        if not drip_s:
            handler.wfile.write(answer.body)
            return
        for byte in answer.body:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            if self._stopping.wait(drip_s):
                return


def _request(handler):
    url = urlsplit(handler.path)
    length = int(handler.headers.get("Content-Length") or 0)
    return Request(time.time(), handler.command, unquote(url.path), parse_qsl(url.query, keep_blank_values=True),
                   {k.lower(): v for k, v in handler.headers.items()}, handler.rfile.read(length))


def _listen(service):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def serve(self):
            try:
                service._serve(self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            except Exception:           # a fault of the fake's own: say so
                traceback.print_exc()
                self.send_error(500, "the rig is broken")

        do_GET = do_PUT = do_POST = do_HEAD = serve

        def date_time_string(self, timestamp=None):
            return super().date_time_string((timestamp or time.time()) + service.clock_offset_s)

        def log_message(self, *unused):
            pass

    class Listener(http.server.ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in service.host else socket.AF_INET
        allow_reuse_address = True
        daemon_threads = True
        block_on_close = False

        def handle_error(self, *unused):
            pass                        # a client that went away

    return Listener((service.host, service.port), Handler)
