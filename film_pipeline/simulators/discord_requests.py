"""What Discord's REST v10 accepts, and how it refuses."""

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MOST_LETTERS, MOST_NONCE, MOST_FILES = 2000, 25, 10
MOST_FILE_BYTES = 10 * 1024 * 1024
_MENTIONS = ("roles", "users", "everyone")
_AGENT = re.compile(r"^DiscordBot \(\S.*, ?\S.*\)")
_CUSTOM_EMOJI = re.compile(r"^\w{2,32}:\d{15,21}$")


class Refused(Exception):
    """A request that Discord refuses. code: its own error code."""

    def __init__(self, status: int, message: str, code: int = 0, errors: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.errors = status, message, code, errors

    def answer(self) -> Response:
        told: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.errors:
            told["errors"] = dict(self.errors)
        return JSONResponse(told, self.status)


def invalid(field: str, code: str, message: str) -> Refused:
    """400 with the one field that is wrong."""
    return Refused(400, "Invalid Form Body", 50035, {field: {"_errors": [{"code": code, "message": message}]}})


def unknown(what: str, code: int) -> Refused:
    return Refused(404, f"Unknown {what}", code)


def check_caller(headers: Mapping[str, str], token: str) -> None:
    """Raises Refused: without a proper User-Agent Cloudflare lets nobody through; without the token nobody is known."""
    if not _AGENT.match(headers.get("user-agent", "")):
        raise Refused(403, "internal network error", 40333)
    if headers.get("authorization", "") != f"Bot {token}":
        raise Refused(401, "401: Unauthorized", 0)


async def read_message(request: Request) -> tuple[dict[str, Any], list[tuple[str, str, bytes]]]:
    """A new message's fields, and its files as name, content type and bytes. Raises Refused."""
    kind = request.headers.get("content-type", "").partition(";")[0]
    if kind == "application/json":
        return _json(await request.body()), []
    if kind != "multipart/form-data":
        raise Refused(400, "The request body contains invalid JSON.", 50109)
    async with request.form(max_part_size=MOST_FILE_BYTES * 3) as form:
        fields = _json(str(form.get("payload_json", "{}")).encode())
        files = []
        for name, part in form.multi_items():
            if isinstance(part, UploadFile):
                if not re.fullmatch(r"files\[\d+\]", name):
                    raise invalid(name, "UNKNOWN_FIELD", "files are sent as files[n]")
                files.append((part.filename or "unknown", part.content_type or "", await part.read()))
    if len(files) > MOST_FILES:
        raise Refused(400, "Maximum number of attachments in a message reached (10)", 30015)
    if any(len(data) > MOST_FILE_BYTES for _, _, data in files):
        raise Refused(413, "Request entity too large", 40005)
    return fields, files


def _json(raw: bytes) -> dict[str, Any]:
    try:
        read = json.loads(raw)
    except ValueError as error:
        raise Refused(400, "The request body contains invalid JSON.", 50109) from error
    if not isinstance(read, dict):
        raise Refused(400, "Invalid Form Body", 50035)
    return read


def check_message(fields: Mapping[str, Any], has_files: bool) -> None:
    """Raises Refused."""
    content, nonce = fields.get("content") or "", fields.get("nonce")
    if not isinstance(content, str):
        raise invalid("content", "STRING_TYPE_CONVERT", "Could not interpret value as string.")
    if len(content) > MOST_LETTERS:
        raise invalid("content", "BASE_TYPE_MAX_LENGTH", f"Must be {MOST_LETTERS} or fewer in length.")
    if nonce is not None and len(str(nonce)) > MOST_NONCE:
        raise invalid("nonce", "NONCE_TYPE_TOO_LONG", f"Must be {MOST_NONCE} or fewer in length.")
    if len(fields.get("embeds") or []) > 10:
        raise invalid("embeds", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    check_mentions(fields.get("allowed_mentions"))
    if not (content or has_files or fields.get("embeds") or fields.get("components")):
        raise Refused(400, "Cannot send an empty message", 50006)


def check_mentions(allowed: Any) -> None:
    """Raises Refused."""
    if allowed is None:
        return
    if not isinstance(allowed, dict):
        raise invalid("allowed_mentions", "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType")
    parse = allowed.get("parse", [])
    if any(kind not in _MENTIONS for kind in parse):
        raise invalid("allowed_mentions", "BASE_TYPE_CHOICES", f"Value must be one of {set(_MENTIONS)}.")
    if "users" in parse and allowed.get("users"):
        message = 'parse:["users"] and users: [ids...] are mutually exclusive.'
        raise invalid("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)


def mentioned(content: str, allowed: Mapping[str, Any] | None) -> tuple[list[str], bool]:
    """Whom a message pings by its text: ids of users, and whether everybody. allowed: None lets all through."""
    ids = list(dict.fromkeys(re.findall(r"<@!?(\d+)>", content)))
    everyone = "@everyone" in content or "@here" in content
    if allowed is None:
        return ids, everyone
    parse = allowed.get("parse", [])
    if "users" not in parse:
        ids = [user_id for user_id in ids if user_id in allowed.get("users", [])]
    return ids, everyone and "everyone" in parse


def check_emoji(emoji: str) -> str:
    """Raises Refused for what is neither an emoji of Unicode nor name:id."""
    if _CUSTOM_EMOJI.match(emoji) or (emoji and len(emoji) <= 12 and all(ord(letter) > 127 for letter in emoji)):
        return emoji
    if re.fullmatch(r"[0-9#*]\ufe0f?\u20e3", emoji):
        return emoji
    raise Refused(400, "Unknown Emoji", 10014)


def whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A count in a query. Raises Refused."""
    text = query.get(name)
    if text is None:
        return default
    if not text.isdigit():
        raise invalid(name, "NUMBER_TYPE_COERCE", f'Value "{text}" is not int.')
    if int(text) < 1:
        raise invalid(name, "NUMBER_TYPE_MIN", "int value should be greater than or equal to 1.")
    if int(text) > most:
        raise invalid(name, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {most}.")
    return int(text)


def snowflake(query: Mapping[str, str], name: str) -> int | None:
    """An id in a query. Raises Refused."""
    text = query.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise invalid(name, "NUMBER_TYPE_COERCE", f'Value "{text}" is not snowflake.')
    return int(text)
