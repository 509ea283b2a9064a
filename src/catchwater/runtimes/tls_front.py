"""TLS in front of an embedded Postgres, which has none of its own; it speaks on loopback and passes bytes on."""

import asyncio
import contextlib
import datetime
import ssl
import struct
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from catchwater.errors import MissingExtra

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104  # PostgreSQL's protocol, 54.7 Message Formats
CHUNK = 1 << 16


class TlsFront:
    """Listens at an address of loopback while the block lasts; who doesn't ask for TLS is turned away."""

    def __init__(self, at: tuple[str, int], port: int, folder: Path) -> None:
        self.at, self.port = at, port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate(folder))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tls-front", daemon=True)

    def __enter__(self) -> "TlsFront":
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, *self.at), self._loop)
        try:
            self._server = listening.result(10)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._end()

    async def _close(self) -> None:
        self._server.close()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if await self._secured(reader, writer):
                behind = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    await _both(_pump(reader, behind[1]), _pump(behind[0], writer))
                finally:
                    behind[1].transport.abort()
        writer.transport.abort()

    async def _secured(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Whether the client asked for TLS and has it now."""
        while True:
            _, code = struct.unpack("!II", await reader.readexactly(8))
            if code == GSS_REQUEST:
                writer.write(b"N")
                continue
            if code != SSL_REQUEST:
                return False
            writer.write(b"S")
            await writer.start_tls(self._context)
            return True


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()


async def _both(*pumps: Coroutine[Any, Any, None]) -> None:
    """Until one side ends; then the other has nobody to speak to."""
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def certificate(folder: Path) -> Path:
    """A key and a certificate that it signed itself, for two days, in one file that only its owner reads."""
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise MissingExtra("cryptography", "twin") from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "catchwater-twin")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    unsigned = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / "tls.pem"
    path.touch(mode=0o600)
    path.write_bytes(private + unsigned.sign(key, hashes.SHA256()).public_bytes(pem))
    return path
