"""Reads forms, and refuses those that our own pages have not made for this session."""

from starlette.datastructures import FormData, Headers
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from services.common.problems import Problem
from services.web.site import session_of, site_of

MAX_FIELDS = 20


async def read_form(request: Request, max_fields: int = MAX_FIELDS) -> FormData:
    """Return the form; a Problem when it is malformed or has no token of this session."""
    site = site_of(request)
    limit = site.settings.max_body_bytes
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        parser = MultiPartParser(
            _without_charset(request.headers), request.stream(), max_files=1, max_fields=max_fields, max_part_size=limit
        )
        # Keeps files in memory, so that no ticket is written to disk. The middleware limits their size.
        parser.spool_max_size = 0
        try:
            form = await parser.parse()
        except MultiPartException:
            raise Problem(400, "the form is malformed") from None
    else:
        form = await request.form(max_fields=max_fields, max_part_size=limit)
    if not site.sessions.has_token(session_of(request), form.get("csrf")):
        raise Problem(403, "the form does not have the token of this session")
    return form


def _without_charset(headers: Headers) -> Headers:
    """Return the headers without the encoding that the client names: browsers send UTF-8, and some codecs take ages."""
    kept = [part for part in headers["content-type"].split(";") if part.partition("=")[0].strip().lower() != "charset"]
    return Headers({"content-type": ";".join(kept)})


def text_of(form: FormData, name: str) -> str:
    """Return the text of a field, "" when it is missing; browsers send line ends as CRLF, which become LF again."""
    value = form.get(name)
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""
