"""Where a server of ours listens: loopback unless told otherwise, and it says when a port is taken."""

import ipaddress
import socket

from catchwater.errors import UseError


def bind(host: str, port: int) -> tuple[socket.socket, bool]:
    """A listening socket, and whether it is reachable from this machine only; raises UseError by address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _listening(socket.socket(family, kind, protocol), address), _is_loopback(address)
    except OSError as error:
        raise UseError(
            f"can't listen on {host}:{port}: {error.strerror}", next_step="choose another: --port 0 takes a free one"
        ) from error


def _listening(listener: socket.socket, address: object) -> socket.socket:
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)  # type: ignore[arg-type]
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _is_loopback(address: tuple[object, ...]) -> bool:
    return ipaddress.ip_address(str(address[0]).split("%")[0]).is_loopback
