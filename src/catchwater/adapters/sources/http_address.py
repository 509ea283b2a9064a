"""Which network addresses may be reached: the address that is connected to is the one that was checked."""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore

from catchwater.errors import SourceRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def embedded(address: Address) -> list[Address]:
    """The address, and every IPv4 address that an IPv6 one stands for (mapped, 6to4, Teredo, NAT64)."""
    found = [address]
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if int(address) >> 32 == 0 and int(address) > 1:
            inner.append(ipaddress.IPv4Address(int(address)))
        found += [other for other in inner if other is not None]
    return found


def refusal(text: str, *, private: bool) -> str | None:
    """Why an address may not be connected to; None when it may. Link-local (metadata services) never may."""
    address = ipaddress.ip_address(text.split("%")[0])
    for each in embedded(address):
        if each.is_link_local or each.is_multicast:
            return "link-local" if each.is_link_local else "multicast"
        if not private and not each.is_global:
            return "loopback" if each.is_loopback else "private"
    return None


class CheckedNetwork(httpcore.NetworkBackend):
    """Resolves a name once, checks every answer, and connects to a checked one: no second look-up can differ."""

    def __init__(self, private: bool) -> None:
        self._private = private
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._resolved(host, port)
        for address in addresses:
            reason = refusal(address, private=self._private)
            if reason:
                raise SourceRefused(
                    f"{host} is at {address}, a {reason} address",
                    where=host,
                    next_step="use a public address"
                    + ("" if reason in ("link-local", "multicast") else ", or say `private: true` for this source"),
                )
        for index, address in enumerate(addresses):
            try:
                return self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if index == len(addresses) - 1:
                    raise
        raise httpcore.ConnectError(f"{host} has no address")

    def _resolved(self, host: str, port: int) -> list[str]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} can't be resolved") from error
        return list(dict.fromkeys(str(each[4][0]) for each in found))
