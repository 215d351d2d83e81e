"""Reads a form, and takes none that our own pages have not made for this session."""

from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from services.common.problems import Problem
from services.web.site import Site, session_of

MOST_FIELDS = 20


async def read_form(request: Request, site: Site) -> FormData:
    """Return the form; a Problem when it is broken or brings no token of this session."""
    most = site.settings.max_body_bytes
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/form-data":
        parser = MultiPartParser(
            request.headers, request.stream(), max_files=1, max_fields=MOST_FIELDS, max_part_size=most
        )
        # A file stays in memory: people's tickets are nowhere on the disk. The guard limits its size.
        parser.spool_max_size = 0
        try:
            form = await parser.parse()
        except MultiPartException:
            raise Problem(400, "this is no form that a browser sends") from None
    else:
        form = await request.form(max_fields=MOST_FIELDS, max_part_size=most)
    if not site.sessions.knows(session_of(request), form.get("csrf")):
        raise Problem(403, "the form has no token of this session")
    return form


def text_of(form: FormData, name: str) -> str:
    """Return a field's text, with the line ends that it had before a browser changed them; "" when it is missing."""
    value = form.get(name)
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""
