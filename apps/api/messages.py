"""What goes into the core and what comes out, whatever carried it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from apps.cluster import types
from apps.cluster.errors import ApiError, BadRequest

JSON = "application/json"
_TRUE, _FALSE = frozenset({"true", "1", "t", ""}), frozenset({"false", "0", "f"})


class Query:
    """A query string's parameters; of one that stands twice the first counts, as in Kubernetes."""

    def __init__(self, pairs: Sequence[tuple[str, str]] = ()) -> None:
        self.pairs = tuple(pairs)

    @classmethod
    def parse(cls, text: str) -> "Query":
        try:
            return cls(parse_qsl(text, keep_blank_values=True, max_num_fields=200, errors="strict"))
        except ValueError:
            raise BadRequest("the query string cannot be read") from None

    def get(self, name: str, default: str = "") -> str:
        return next((value for key, value in self.pairs if key == name), default)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.pairs if key == name]

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.pairs)

    def flag(self, name: str) -> bool:
        """A boolean; its name alone means yes."""
        if name not in self:
            return False
        value = self.get(name).lower()
        if value not in _TRUE | _FALSE:
            raise BadRequest(f'{name}: Invalid value: "{value}": must be true or false')
        return value in _TRUE

    def number(self, name: str, most: int = 2**31 - 1) -> int | None:
        """A whole number from 0 to ``most``, or None when it is not given."""
        text = self.get(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
            raise BadRequest(f'{name}: Invalid value: "{text[:40]}": must be a whole number from 0 to {most}')
        return int(text)


@dataclass(frozen=True)
class Request:
    """One request. Header names are in lower case; ``path`` is decoded and has no query."""

    method: str
    path: str
    query: Query = field(default_factory=Query)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    id: str = ""
    """Names the request in the log and in its answer."""

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def accept(self) -> str:
        return self.headers.get("accept", "")


@dataclass
class Answer:
    """A whole answer."""

    code: int
    body: bytes
    content_type: str = JSON
    headers: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Stream:
    """An answer that goes on: ``open`` starts it in the event loop that sends its chunks."""

    content_type: str
    open: Callable[[], AsyncIterator[bytes]]
    peek: bool = False
    """Whether its first chunk may still be a refusal (ApiError), to be answered as one."""


Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class Talk(Stream):
    """An answer that listens too, over a websocket. Over plain HTTP its only chunk is the refusal that says why not."""

    talk: Callable[[Sequence[str], Receive, Send], Awaitable[Answer | None]] = field(kw_only=True)
    """Takes the sub-protocols offered and carries a connected websocket to its end; or answers why it stays closed."""


def status_body(status: types.Status) -> bytes:
    """A Status as served: unlike other types it always says what it is."""
    return types.encode({"kind": "Status", "apiVersion": "v1", "metadata": {}, **types.to_data(status)})


def refusal(error: ApiError) -> Answer:
    """The answer to a refused request."""
    headers = []
    if error.code == 401:
        headers.append(("www-authenticate", 'Bearer realm="drover"'))
    if error.retry_after:
        headers.append(("retry-after", str(error.retry_after)))
    return Answer(error.code, status_body(error.status()), headers=headers)
