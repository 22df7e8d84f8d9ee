"""`python tests/support/moto_server.py PORT`: moto, with one request after the other.

moto's own server answers in threads, and between looking at a condition and storing the object it holds no lock, so
that of two writers with the same condition both may win. A bucket that did so would lose refs, and S3 does not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple


def main() -> None:
    inner, lock = DomainDispatcherApplication(create_backend_app), Lock()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        with lock:
            return list(inner(environ, start_response))

    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=MotoRequestHandler)


main()
