"""Messages <-> bytes, as the daemon needs it. It uses orjson, which brings 25 modules along that no client needs."""

from typing import Any

import orjson

from pyflowd_client.protocol.codec import Json, ProtocolError, fill, from_wire, no_object, to_wire
from pyflowd_client.protocol.events import Event
from pyflowd_client.protocol.message import Message
from pyflowd_client.protocol.replies import Reply
from pyflowd_client.protocol.requests import REQUESTS, Request


def decode_request(data: bytes) -> tuple[int, Request]:
    """The request and its id; ProtocolError on anything else, with the id if there is one."""
    try:
        message = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"not JSON: {error}") from None
    if type(message) is not dict:
        raise no_object(message)
    request_id = message.pop("id", None)
    if type(request_id) is not int or request_id < 0:
        raise ProtocolError("a request needs an `id`, an integer of 0 or more")
    kind = REQUESTS.get(str(message.pop("request", "")))
    if kind is None:
        raise ProtocolError(f"unknown request; known are: {', '.join(REQUESTS)}", request_id)
    try:
        return request_id, from_wire(kind, message, strict=True)
    except ProtocolError as error:
        raise ProtocolError(f"{kind.NAME}: {error}", request_id) from None


def encode_reply(request_id: int | None, reply: Reply) -> bytes:
    """`{"reply": name, "id": n, ...}`; the id is null when the request's could not be read."""
    return dump(reply_to_wire(request_id, reply))


def reply_to_wire(request_id: int | None, reply: Reply) -> Json:
    """`{"reply": name, "id": n, ...}`; fields that are None are left out."""
    return fill({"reply": reply.NAME, "id": request_id}, reply.__dict__)


def event_to_wire(event: Event) -> Json:
    """`{"event": name, ...}`; fields that are None are left out."""
    return fill({"event": event.NAME}, event.__dict__)


def content_to_wire(kind: type[Event], content: Json) -> Json:
    """The same for an event that nobody has made yet, from the fields that it would be made with; unchecked."""
    return fill({"event": kind.NAME}, kind.complete(content))


def encode_events(encoded: list[bytes]) -> bytes:
    """Several events, each already encoded, as one message `{"events": [...]}`."""
    return b'{"events":[' + b",".join(encoded) + b"]}"


def dump(wire: Json) -> bytes:
    """JSON text; lone surrogates, which UTF-8 cannot carry, are written as `\\udxxx` in words."""
    try:
        return orjson.dumps(wire)
    except TypeError:
        return orjson.dumps(_printable(wire))


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(item) for item in value]
    return to_wire(value) if isinstance(value, Message) else value
