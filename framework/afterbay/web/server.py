"""The page's server: on this machine's own address, in the main thread (`ui`) or beside a run (`run --ui`)."""

from __future__ import annotations

import secrets
import socket
import threading

import uvicorn

from afterbay.errors import EnvironmentRefused
from afterbay.live.look import Looker
from afterbay.web.app import application
from afterbay.web.watch import Watch

ADDRESS = "127.0.0.1"


class PageServer:
    """Owns the listening socket; `serve` takes it over.

    `url` has the token, if there is one, behind a #: browsers keep that to themselves.
    """

    def __init__(self, looker: Looker, port: int, *, control: bool) -> None:
        """`port` 0: any that is free. Raises EnvironmentRefused `ui.port` if it is taken."""
        self._listening = _listen(port)
        token = secrets.token_urlsafe(24) if control else None
        number = self._listening.getsockname()[1]
        self.url = f"http://{ADDRESS}:{number}/" + ("" if token is None else f"#token={token}")
        self._watch = Watch(looker)
        config = uvicorn.Config(
            application(self._watch, token),
            log_level="warning",
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config, self._watch)
        self._thread: threading.Thread | None = None

    def serve(self) -> None:
        """Until SIGINT or SIGTERM."""
        self._server.run(sockets=[self._listening])

    def start(self) -> None:
        """Serves in a thread of its own until `stop`."""
        self._thread = threading.Thread(target=self.serve, name="afterbay/ui", daemon=False)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._server.should_exit = True
        if self._thread is None:
            self._listening.close()
        else:
            self._thread.join()


class _Server(uvicorn.Server):
    """Ends the events before it waits for connections to close: they would not end by themselves."""

    def __init__(self, config: uvicorn.Config, watch: Watch) -> None:
        super().__init__(config)
        self._watch = watch

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._watch.end()
        await super().shutdown(sockets)


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
        listening.listen(64)  # from now on a browser that comes early waits, and is not refused
    except OSError as error:
        listening.close()
        raise EnvironmentRefused(
            "ui.port",
            f"port {port} of {ADDRESS} cannot be had: {error.strerror}",
            hint="choose another one with --port, or 0 for any that is free",
        ) from error
    return listening
