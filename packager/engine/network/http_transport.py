"""How httpx connects: to the very IP address that was checked, or through the proxy that the environment names.

A name is looked up once for a connection. Host header, TLS name and certificate check stay those of the name.
"""

import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from urllib.request import getproxies, proxy_bypass

import anyio.to_thread
import httpcore
import httpx

from packager.errors import InputError
from packager.paths import display_text

TRIED = 4  # addresses of a host
Permit = Callable[[str, int], list[str]]  # host, port -> the IP addresses that may be contacted, or InputError


class CheckedTransport(httpx.AsyncBaseTransport):
    """Connections of one httpx client. permit: looks a host up; raises InputError for one that is not contacted."""

    def __init__(self, permit: Permit) -> None:
        """Read the certificates that are trusted. Raises InputError if SSL_CERT_FILE is no file of them."""
        self._permit = permit
        try:
            self._certificates = httpx.create_ssl_context()
        except (OSError, ssl.SSLError) as error:
            what = f"the certificates that it names cannot be read ({display_text(str(error), 120)})"
            raise InputError("SSL_CERT_FILE", what, "name a file of PEM certificates") from error
        self._direct = _Direct(self._certificates, permit)
        self._proxies: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. Raises InputError, or what httpx's own transport raises."""
        url = request.url
        proxy = proxy_for(url.scheme, url.host, url.port)
        if proxy is None:
            return await self._direct.handle_async_request(request)
        # The proxy looks the name up again, and is the user's own. A name that only it knows is left to it.
        port = url.port or (443 if url.scheme == "https" else 80)
        with suppress(OSError, UnicodeError):
            await anyio.to_thread.run_sync(self._permit, url.host, port, abandon_on_cancel=True)
        return await self._by_proxy(proxy).handle_async_request(request)

    def _by_proxy(self, proxy: str) -> httpx.AsyncHTTPTransport:
        """Return the connections through a proxy. Raises InputError if it cannot be one."""
        if proxy not in self._proxies:
            try:
                self._proxies[proxy] = httpx.AsyncHTTPTransport(verify=self._certificates, proxy=proxy)
            except (ImportError, ValueError, httpx.InvalidURL):
                fix = 'set HTTPS_PROXY and HTTP_PROXY to "http://HOST:PORT"'
                raise InputError("HTTPS_PROXY", "names no HTTP proxy", fix) from None
        return self._proxies[proxy]

    async def aclose(self) -> None:
        """Close all connections."""
        for each in (self._direct, *self._proxies.values()):
            await each.aclose()


def proxy_for(scheme: str, host: str, port: int | None) -> str | None:
    """Return the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names for a host; None where NO_PROXY lists it."""
    known = getproxies()
    proxy = known.get(scheme) or known.get("all")
    if not proxy or proxy_bypass(f"{host}:{port}" if port else host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


class _Direct(httpx.AsyncHTTPTransport):
    """Connections without a proxy."""

    def __init__(self, certificates: ssl.SSLContext, permit: Permit) -> None:
        super().__init__(verify=certificates)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=certificates,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5.0,
            network_backend=_Network(permit),
        )


class _Network(httpcore.AsyncNetworkBackend):
    """Opens connections to addresses that were checked."""

    def __init__(self, permit: Permit) -> None:
        self._permit, self._sockets = permit, httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Look the host up, check it, and connect to the first of its addresses that answers."""
        try:
            found = await anyio.to_thread.run_sync(self._permit, host, port, abandon_on_cancel=True)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        failure: Exception = httpcore.ConnectError("the host has no address")
        share = None if timeout is None else timeout / min(len(found) or 1, TRIED)
        for address in found[:TRIED]:
            try:
                return await self._sockets.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)
