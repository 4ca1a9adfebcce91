"""One HTTP exchange with an endpoint: limits of time and size, what went wrong told apart, and the key kept secret.

The key comes from the environment variable OPENAI_API_KEY alone. It goes to the endpoint only, since redirects are not
followed, and `Secret.hide` takes it out of whatever is shown or kept.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from scripts.common.errors import InputError
from scripts.engines.replies import Broken, Busy, Hopeless

CONNECT_TIMEOUT = 30.0
LARGEST_ANSWER = 16 * 2**20
A_WORD = 16
"""A shorter key, such as the EMPTY that local servers take, may well stand in a text."""


class Secret:
    """The key, if there is one; no part of it shows in a representation."""

    def __init__(self, key: str) -> None:
        self._is_word = len(key) < A_WORD
        self._forms = {key, key.replace("/", "\\/"), quote(key, safe="")} - {""}
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def hide(self, message: str) -> str:
        """A message without the key, as it is or as JSON or a URL may write it."""
        for form in self._forms:
            message = message.replace(form, "[key]")
        return message

    def hide_in_text(self, text: str) -> str:
        """A text without the key, unless that is short enough to be there by chance."""
        return text if self._is_word else self.hide(text)


def secret() -> Secret:
    """The key of the environment, without the line end that comes along when it is read from a file.

    Raises:
        InputError: it cannot be a key; the message does not show it.
    """
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not all("!" <= character <= "~" for character in key):
        raise InputError("OPENAI_API_KEY holds a space, a line end or a character that is not ASCII: no key has those")
    return Secret(key)


class Line:
    """Connections to one address, as many as are used at once.

    Each is a client of its own: the time that a pool of httpx takes for a request grows with its size (with 256
    connections in one pool a core managed 110 requests a second, with a client for each 1,290).
    """

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        import httpx

        self._url = url
        self._headers = headers
        self._timeout = timeout
        self._certificates = httpx.create_ssl_context()
        self._free: list[httpx.AsyncClient] = []

    async def post(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], str]:
        """Status, headers and body of the answer.

        Raises:
            TimeoutError: it did not come, or not to its end, in time.
            Busy, Broken, Hopeless: see replies.py.
        """
        import httpx

        try:
            async with asyncio.timeout(self._timeout):
                return await self._post(body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            for cause in _causes(error):
                if isinstance(cause, ssl.SSLError):
                    raise Hopeless(f"cannot be reached by TLS: {cause}") from error
                if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
                    raise Hopeless(f"has an unknown host: {cause}", at_first=True) from error
            raise Busy(f"{type(error).__name__}: {error}") from error
        except httpx.RequestError as error:
            raise Broken(f"{type(error).__name__}: {error}") from error

    async def _post(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, str], str]:
        client = self._free.pop() if self._free else self._client()
        try:
            answer = bytearray()
            async with client.stream("POST", self._url, json=body) as response:
                async for chunk in response.aiter_bytes():
                    answer += chunk
                    if len(answer) > LARGEST_ANSWER:
                        raise Broken(f"the answer has more than {LARGEST_ANSWER} bytes")
        except BaseException:
            await client.aclose()
            raise
        self._free.append(client)
        return response.status_code, response.headers, answer.decode("utf-8", "replace")

    def _client(self) -> Any:
        import httpx

        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT)
        return httpx.AsyncClient(headers=self._headers, timeout=timeout, verify=self._certificates)

    async def close(self) -> None:
        """Closes the connections that are not in use."""
        for client in self._free:
            await client.aclose()


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and those that it came of."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
