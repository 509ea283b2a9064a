"""Where a server of ours listens: loopback unless told otherwise, and it says when a port is taken."""

import ipaddress
import socket

from catchwater.errors import UseError


def bind(host: str, port: int) -> tuple[socket.socket, bool]:
    """A bound socket, and whether it is reachable from this machine only; raises UseError by address."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(found[0], found[1])
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found[4])
    except OSError as error:
        raise UseError(
            f"can't listen on {host}:{port}: {error.strerror}", next_step="choose another: --port 0 takes a free one"
        ) from error
    return listener, ipaddress.ip_address(str(found[4][0]).split("%")[0]).is_loopback
