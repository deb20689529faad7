"""A proxy in front of a broker that can keep one request, as a network may, and let it through when it is too late."""

import socket
import struct
import threading
import time

from .process import free_port

PRODUCE, END_TXN, TXN_OFFSET_COMMIT = 0, 26, 28


class Proxy:
    """Clients connect to `port`; behind it is the broker's own listener, on `target`."""

    def __init__(self):
        self.port, self.target = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.seen = {}                  # api key -> requests
        self.released = threading.Event()
        self.answer = b""               # the broker's, to what was kept
        self._lock = threading.Lock()
        self._hold = None               # (api key, how many more of them go by)
        self._kept = None               # (frames, socket to the broker) once it was kept
        self._answers_left = 0
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def listen_behind(self, kafka):
        """Makes a Kafka, before its start, listen for us and send its clients here."""
        base = kafka._settings()
        kafka.options.update({
            "listeners": f"{base['listeners']},PROXIED://127.0.0.1:{self.target}",
            "advertised.listeners": f"{base['advertised.listeners']},PROXIED://{self.bootstrap}",
            "listener.security.protocol.map": f"{base['listener.security.protocol.map']},PROXIED:PLAINTEXT"})
        return kafka

    def keep(self, api_key, nth, answers):
        """Keeps the nth such request from now on, until `answers` more answers to Produce have come by."""
        with self._lock:
            self._hold, self._kept, self._answers_left = (api_key, nth), None, answers
            self.released.clear()
            self.answer = b""

    @property
    def kept(self):
        return self._kept is not None

    def close(self):
        self._listener.close()

    # ---- connections ---------------------------------------------------------------------------------------------

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                client.close()
                continue
            for s in (client, broker):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asked = {}                  # correlation id -> api key
            threading.Thread(target=self._requests, args=(client, broker, asked), daemon=True).start()
            threading.Thread(target=self._answers, args=(client, broker, asked), daemon=True).start()

    def _requests(self, client, broker, asked):
        keeping = False
        try:
            while frame := _frame(client):
                api_key, _, correlation = struct.unpack(">hhi", frame[4:12])
                with self._lock:
                    self.seen[api_key] = self.seen.get(api_key, 0) + 1
                    asked[correlation] = api_key
                    if self._is_the_one(api_key):
                        self._kept, keeping = ([], broker), True
                    if keeping and not self.released.is_set():
                        self._kept[0].append(frame)     # and all behind it, as in a connection that hangs
                        continue
                broker.sendall(frame)
        except OSError:
            pass
        if not keeping:
            _end(broker)                # else it lives on, whatever the client does

    def _is_the_one(self, api_key):
        if not self._hold or self._hold[0] != api_key:
            return False
        self._hold = (api_key, self._hold[1] - 1) if self._hold[1] > 1 else None
        return self._hold is None

    def _answers(self, client, broker, asked):
        try:
            while frame := _frame(broker):
                api_key = asked.pop(struct.unpack(">i", frame[4:8])[0], None)
                with self._lock:
                    ours = self._kept and self._kept[1] is broker
                    if ours and self.released.is_set() and not self.answer:
                        self.answer = frame
                    count = api_key == PRODUCE and self._kept and not ours and not self.released.is_set()
                    self._answers_left -= bool(count)
                    release = count and self._answers_left <= 0
                try:
                    client.sendall(frame)
                except OSError:
                    if not ours:
                        raise
                if release:
                    self._release()
        except OSError:
            pass
        _end(client)

    def _release(self):
        with self._lock:
            frames, broker = self._kept
            self.released.set()
        for frame in frames:
            broker.sendall(frame)
        end = time.monotonic() + 2      # it has to be there before the next answers
        while not self.answer and time.monotonic() < end:
            time.sleep(0.005)


def _end(s):
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def _exactly(s, count):
    got = b""
    while len(got) < count:
        more = s.recv(count - len(got))
        if not more:
            return b""
        got += more
    return got


def _frame(s):
    head = _exactly(s, 4)
    body = _exactly(s, struct.unpack(">i", head)[0]) if head else b""
    return head + body if body else b""
