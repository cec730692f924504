"""Stands in for the server while it sleeps: it keeps the listening sockets, answers what needs no model, and wakes for
all else. One thread, in a bare interpreter (`python -I -S`): it imports nothing but what an answer needs.

It is exec'd by the server in its own place, with a descriptor that holds its state (`marshal`), and execs the server
again with another one. What it is not certain about it hands over unread: requests are looked at with MSG_PEEK, and
taken out of their connections only when they are answered here.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import socket
import sys
import time

from hoshikage.sleeper.request import Unsure, hmac_sha256, name_of, request_of, same, sha256
from hoshikage.sleeper.runner import spawned

TYPE_CHECKING = False
if TYPE_CHECKING:  # as typing has it, whose import would be half of what this program takes
    from types import FrameType
    from typing import Any

HEADER_BYTES = 8192
"""A header that is longer is the server's business."""
HEADER_S, KEEPALIVE_S = 30.0, 30.0
"""A connection may be so long without its first request, and between two: as in http/connections."""
MAX_OPEN = 128
"""With more connections the server is woken: it knows who may have more."""
MAX_TAKEN = 512
"""So many connections are accepted at most in the moment of waking; others wait in the sockets."""
FLUSH_S = 1.0
LEFT = getattr(select, "POLLRDHUP", 0)
"""With this event a client has ended its side: it has left, as while the server is awake, whatever it sent before."""
WOKEN = "HOSHIKAGE_WOKEN"
"""This environment variable tells the server the descriptor of what is handed over."""
SENTINEL = b"9007199254740881"
"""Stands in the texts for the resident memory of this process."""
ENDING = (signal.SIGTERM, signal.SIGINT)
"""These signals end the server; they are held back from one exec to where the next program heeds them."""
LOCAL = ("localhost", "127.0.0.1", "::1")
UNSURE = ("transfer-encoding", "upgrade", "expect", "origin", "access-control-request-method", "range")
"""With one of these headers a request is the server's business."""


class Client:
    """This is one open connection. `kind` is `plain`, `tls` or `unix`."""

    def __init__(self, opened: socket.socket, kind: str, until: float) -> None:
        self.opened = opened
        self.kind = kind
        self.until = until
        self.out = b""
        self.ends = False


def put(data: bytes) -> int:
    """Returns a descriptor from which the data can be read; nothing of it has a name."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("hoshikage")
    else:
        path = f"/tmp/hoshikage-{os.getpid()}-{os.urandom(8).hex()}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.unlink(path)
    while data:
        data = data[os.write(fd, data) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def take(fd: int) -> Any:
    with open(fd, "rb") as file:
        return marshal.loads(file.read())


class Sleeper:
    """This answers for a server that nobody uses, until somebody does."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.state = state
        self.names = frozenset((*state["names"], *LOCAL))
        self.counts: dict[tuple[str, str], int] = {}
        self.poll = select.poll()
        self.listening: dict[int, tuple[socket.socket, str]] = {}
        for fd, kind in state["listening"]:
            opened = socket.socket(fileno=fd)
            opened.setblocking(False)
            self.listening[fd] = (opened, kind)
            self.poll.register(fd, select.POLLIN)
        self.clients: dict[int, Client] = {}
        for fd, kind in state["connections"]:
            self.admit(socket.socket(fileno=fd), kind, KEEPALIVE_S)
        self.pinged = 0.0
        self.until: float = state["until"]
        """At `until` the server takes over, whoever asks; 0 is when it is needed."""

    def admit(self, opened: socket.socket, kind: str, seconds: float) -> None:
        opened.setblocking(False)
        self.clients[opened.fileno()] = Client(opened, kind, time.monotonic() + seconds)
        self.poll.register(opened.fileno(), select.POLLIN | LEFT)

    def run(self) -> None:
        while True:
            self.turn()

    def turn(self) -> None:
        """Waits until something happens, and does what follows from it."""
        self.ping()
        for fd, event in self.poll.poll(self.wait_ms()):
            if fd in self.listening and self.accept(*self.listening[fd]) and len(self.clients) > MAX_OPEN:
                self.wake()
            elif fd in self.clients:
                client, left = self.clients[fd], bool(event & LEFT)
                if event & select.POLLOUT and not left:
                    self.flush(client)
                elif left or event & (select.POLLIN | select.POLLHUP | select.POLLERR):
                    self.hear(client, left)
        now = time.monotonic()
        if 0.0 < self.until <= now:
            self.wake()
        for client in [one for one in self.clients.values() if one.until <= now]:
            self.close(client)

    def heed(self) -> None:
        """Makes the signals that end the server end this process from now on."""
        for number in ENDING:
            signal.signal(number, self.end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def wait_ms(self) -> float | None:
        """Returns the milliseconds until the next connection has been silent for too long, or the watchdog is due; None
        where there is neither."""
        ends = [client.until for client in self.clients.values()]
        ends += [self.pinged + self.state["ping_every"]] if self.state["ping_every"] else []
        ends += [self.until] if self.until else []
        return max(0.0, min(ends) - time.monotonic()) * 1e3 + 1 if ends else None

    def accept(self, opened: socket.socket, kind: str) -> bool:
        """Takes a connection that waits; False where none does."""
        try:
            self.admit(opened.accept()[0], kind, HEADER_S)
        except OSError:
            return False
        return True

    def hear(self, client: Client, left: bool) -> None:
        try:  # closed over unread bytes, the connection of who has left would be reset
            data = client.opened.recv(HEADER_BYTES, 0 if left else socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if left or not data:
            self.close(client)
            return
        head, end, _ = data.partition(b"\r\n\r\n")
        try:
            if client.kind == "tls" or not end:
                raise Unsure
            answer = self.answer(client, head)
        except (Unsure, ValueError, OSError):
            self.wake(self.started(client, head) if end else None)
            return
        client.opened.recv(len(head) + len(end))
        client.until = time.monotonic() + KEEPALIVE_S
        client.out += answer
        self.flush(client)

    def flush(self, client: Client) -> None:
        try:
            sent = client.opened.send(client.out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close(client)
            return
        client.out = client.out[sent:]
        if client.out:
            self.poll.modify(client.opened.fileno(), select.POLLOUT | LEFT)
        elif client.ends:
            self.close(client)
        else:
            self.poll.modify(client.opened.fileno(), select.POLLIN | LEFT)

    def close(self, client: Client) -> None:
        self.poll.unregister(client.opened.fileno())
        del self.clients[client.opened.fileno()]
        client.opened.close()

    # Answers

    def answer(self, client: Client, head: bytes) -> bytes:
        """Returns the whole answer. Raises Unsure."""
        method, target, headers = request_of(head)
        if method not in (b"GET", b"HEAD") or any(name in headers for name in UNSURE):
            raise Unsure
        if headers.get("content-length", ["0"]) != ["0"] or headers.get("sec-fetch-site") == ["cross-site"]:
            raise Unsure
        path = target.partition("?")[0]
        prefix = self.state["prefix"]
        if prefix and path.startswith(prefix + "/"):
            path = path[len(prefix) :]
        page, hosts = self.state["pages"].get(path), headers.get("host", [])
        if page is None or (client.kind != "unix" and (len(hosts) != 1 or not self.is_own(name_of(hosts[0])))):
            raise Unsure
        route, needs = page["route"], page["needs"]
        owner = client.kind == "unix" or (needs == "api" and self.is_admin(headers))
        more, body = self.content(page, headers, owner, client)
        connection = [word.strip().lower() for word in ",".join(headers.get("connection", [])).split(",")]
        client.ends = "close" in connection
        self.counts[method.decode(), route] = self.counts.get((method.decode(), route), 0) + 1
        lines = [
            "HTTP/1.1 200 OK",
            *more,
            f"Content-Length: {len(body)}",
            time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()),
            "Server: hoshikage",
            f"x-request-id: req_{os.urandom(12).hex()}",
            *(["Connection: close"] if client.ends else []),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (b"" if method == b"HEAD" else body)

    def is_own(self, name: str) -> bool:
        """Returns whether the server may be called so: a literal address cannot be another's name for this machine."""
        if name in self.names:
            return True
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                address = socket.inet_pton(family, name)
            except (OSError, ValueError):
                continue
            return bool(self.state["exposed"]) or (family == socket.AF_INET and address[0] == 127)
        return False

    def content(
        self, page: dict[str, Any], headers: dict[str, list[str]], owner: bool, client: Client
    ) -> tuple[list[str], bytes]:
        """Returns the headers that are the page's own, and the body. Raises Unsure."""
        more = list(self.state["headers"])
        if "file" in page:
            kinds = ",".join(headers.get("accept", [])).split(",")
            wants = any(one.partition(";")[0].strip().lower() in self.state["html"] for one in kinds)
            if "text" in page and not wants:
                return [*more, *page["text_headers"]], page["text"]
            takes = [one.strip().lower() for one in ",".join(headers.get("accept-encoding", [])).split(",")]
            if "gzip" not in takes:
                raise Unsure
            with open(page["file"], "rb") as file:
                return [*more, *page["headers"]], file.read()
        more += page["headers"]
        challenge = headers.get("x-hoshikage-challenge", [""])[0]
        if challenge and page["route"] == "/health":
            more += self.proof(challenge, client)
        body = page["full"] if owner else page["body"]
        return more, body.replace(SENTINEL, str(resident_bytes()).encode())

    def proof(self, challenge: str, client: Client) -> list[str]:
        """Returns the header that proves to a command who answers, for it must not show its token to a stranger. Raises
        Unsure where there is no token."""
        token, address = self.state["admin"], client.opened.getsockname()
        if not token:
            raise Unsure
        if client.kind == "unix" or len(challenge) != 32 or not set(challenge) <= set("0123456789abcdef"):
            return []
        text = f"hoshikage {challenge} {address[0]} {address[1]}".encode()
        return [f"x-hoshikage-proof: {hmac_sha256(token.encode(), text)}"]

    def is_admin(self, headers: dict[str, list[str]]) -> bool:
        """Returns whether a token was shown that may know all. Raises Unsure where the request needs one and shows
        none."""
        shown = set(headers.get("x-api-key", []))
        for value in headers.get("authorization", []):
            scheme, _, word = value.strip().partition(" ")
            shown.add(word.strip() if scheme.lower() == "bearer" else "")
        if shown:
            if len(shown) != 1 or signature(self.state["token_file"]) != self.state["token_signature"]:
                raise Unsure
            digest = sha256(shown.pop().encode("utf-8", "surrogateescape")).hexdigest()
            matches = [may for one, may in self.state["tokens"] if same(one, digest)]
            if matches:
                return any(matches)
        if self.state["needs_token"]:
            raise Unsure
        return False

    # The service manager, the end, and waking

    def notify(self, message: str) -> None:
        address = self.state["notify"]
        if not address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.settimeout(1.0)
                line.connect("\0" + address[1:] if address.startswith("@") else address)
                line.sendall(message.encode())
        except OSError:
            pass

    def ping(self) -> None:
        every = self.state["ping_every"]
        if every and time.monotonic() - self.pinged >= every:
            self.pinged = time.monotonic()
            self.notify("WATCHDOG=1")

    def end(self, _number: int, _frame: FrameType | None) -> None:
        self.notify("STOPPING=1")
        try:
            if self.state["unix_path"]:
                os.unlink(self.state["unix_path"])
        finally:
            os._exit(0)

    def started(self, client: Client, head: bytes) -> tuple[int, ...] | None:
        """Starts a runner beside the waking server, where who asks wants words of a model and may have them. Returns
        what `spawned` does; None where there is none."""
        runner = self.state["runner"]
        try:
            if runner is None or client.kind == "tls" or not self.asks(client, head):
                return None
            if any(signature(name) != known for name, known in runner["files"].items()):
                return None
            return spawned(runner["command"], runner["environ"])
        except (Unsure, ValueError, OSError):
            return None

    def asks(self, client: Client, head: bytes) -> bool:
        """Returns whether it is a request for words of a model, from somebody who may ask. Raises Unsure."""
        method, target, headers = request_of(head)
        path, prefix = target.partition("?")[0], self.state["prefix"]
        path = path[len(prefix) :] if prefix and path.startswith(prefix + "/") else path
        if method != b"POST" or path not in self.state["asks"] or "origin" in headers:
            return False
        if client.kind != "unix":
            hosts = headers.get("host", [])
            if len(hosts) != 1 or not self.is_own(name_of(hosts[0])):
                return False
            self.is_admin(headers)
        return True

    def wake(self, runner: tuple[int, ...] | None = None) -> None:
        """Hands everything over to the server, and is it from then on."""
        for opened, kind in self.listening.values():
            while len(self.clients) < MAX_TAKEN and self.accept(opened, kind):
                pass
        for client in [one for one in self.clients.values() if one.out]:
            client.opened.settimeout(FLUSH_S)
            try:
                client.opened.sendall(client.out)
            except OSError:
                client.ends = True
            client.opened.setblocking(False)
        for client in [one for one in self.clients.values() if one.ends]:
            self.close(client)
        handed = {
            "listening": self.state["listening"],
            "connections": [(fd, client.kind) for fd, client in self.clients.items()],
            "counts": self.counts,
            "runner": runner,
            "kept": self.state["kept"],
        }
        fd = put(marshal.dumps(handed))
        for one in (fd, *self.listening, *self.clients, *(runner or ())[1:]):
            os.set_inheritable(one, True)
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        os.execve(self.state["command"][0], self.state["command"], {**os.environ, WOKEN: str(fd)})


def signature(file: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def main() -> None:
    """Begins with the state that the server put away; argument: its descriptor."""
    sleeper = Sleeper(take(int(sys.argv[-1])))
    sleeper.heed()
    sleeper.run()


def command(fd: int) -> list[str]:
    """Returns what to exec with a state: an interpreter without anybody's site packages, which knows this package
    alone."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    code = "import sys; sys.path.append(sys.argv[1]); from hoshikage.sleeper.program import main; main()"
    return [sys.executable, "-I", "-S", "-c", code, root, str(fd)]
