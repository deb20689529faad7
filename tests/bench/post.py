"""One HTTP request a record, as the emulator script sent them to a REST proxy, and a server that only answers.

    python -m bench.post PORT SAMPLE RECORDS      prints the seconds and the CPU seconds that the requests took
"""

import http.client
import json
import socket
import sys
import threading
import time

_ANSWER = b'{"offsets":[{"partition":0,"offset":1}]}'
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(_ANSWER), _ANSWER)


def _answer(listener):
    connection, _ = listener.accept()
    with listener, connection, connection.makefile("rb") as requests:
        length = 0
        while line := requests.readline():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            elif line == b"\r\n":
                requests.read(length)
                connection.sendall(_RESPONSE)


def serve():
    """Answers one connection; returns the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_answer, args=(listener,), daemon=True).start()
    return listener.getsockname()[1]


def main(port, sample, records):
    with open(sample, encoding="utf-8", newline="\n") as f:
        rows = [json.loads(line.split("\t", 1)[1]) for line in f]
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    since, cpu = time.monotonic(), time.process_time()
    for i in range(int(records)):
        body = json.dumps({"records": [{"value": rows[i % len(rows)]}]})
        connection.request("POST", "/topics/bench.pin", body, {"Content-Type": "application/vnd.kafka.json.v2+json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            sys.exit(f"status {answer.status}")
    print(time.monotonic() - since, time.process_time() - cpu)


if __name__ == "__main__":
    main(*sys.argv[1:])
