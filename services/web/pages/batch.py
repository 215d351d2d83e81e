"""The page that takes a file of tickets, shows the progress, and returns the file with predictions."""

import re
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from starlette.datastructures import FormData, UploadFile
from starlette.responses import JSONResponse, Response, StreamingResponse

from callcenterai.formats.rows import ReadOptions
from services.common.problems import Problem
from services.web.forms import read_form, text_of
from services.web.jobs import Job, Owner, TooManyJobs
from services.web.security.login_attempts import network_of
from services.web.site import Site, redirect, session_of, site_of
from services.web.tables import TableError, TicketTable, write_csv_table
from services.web.words import Words

MAX_NAME_LENGTH = 100
# The endings of the names of files of tickets, which -categories.csv replaces.
ENDINGS = re.compile(r"(\.(csv|tsv|txt|jsonl?|ndjson|parquet|xls[xmb]?|ods))?(\.(gz|zip))?$", re.IGNORECASE)


def add_routes(app: FastAPI) -> None:
    """Add the page's routes."""
    app.get("/batch")(show_upload)
    app.post("/batch")(upload_file)
    app.get("/batch/job")(show_job)
    app.get("/batch/progress")(show_progress)
    app.post("/batch/column")(choose_column)
    app.post("/batch/continue")(continue_job)
    app.post("/batch/delete")(delete_job)
    app.get("/batch/download")(download_job)


async def show_upload(request: Request) -> Response:
    """Show the form for a file, and the files of this session."""
    return _page(site_of(request), request)


async def upload_file(request: Request) -> Response:
    """Take a file, and start to classify it if its text columns are known."""
    site = site_of(request)
    try:
        job = await _accept(site, request)
    except (TableError, TooManyJobs) as error:
        return _page(site, request, getattr(error, "status", 503), error)
    except Problem as problem:
        if problem.status != 413:
            raise
        return _page(site, request, 413, TableError("large", 413, limit=site.settings.max_upload_bytes))
    if job.columns is not None:
        site.jobs.start(job)
    return redirect(f"/batch/job?id={job.id}")


async def show_job(request: Request, id: str = "") -> Response:
    """Show the state of a file."""
    site = site_of(request)
    return site.page(request, "job.html", job=_find(site, request, id))


async def show_progress(request: Request, id: str = "") -> Response:
    """Return how much of a file is done, for batch.js."""
    site = site_of(request)
    job, t = _find(site, request, id), site.words(request)
    done, rows = len(job.outcomes), len(job.table.rows)
    text = t("job.progress", done=t.number(done), rows=t.number(rows))
    return JSONResponse({"state": job.state, "done": done, "rows": rows, "text": text})


async def choose_column(request: Request) -> Response:
    """Start a file with the columns that the person has chosen, which are joined in their order, a subject first."""
    site, form = site_of(request), await read_form(request)
    job, chosen = _find(site, request, text_of(form, "id")), {str(each) for each in form.getlist("column")}
    every = dict.fromkeys([*job.table.subjects(), *range(len(job.table.header))])
    columns = [number for number in every if str(number) in chosen]
    if job.state == "column" and columns and len(columns) == len(chosen):
        job.columns = columns
        site.jobs.start(job)
    return redirect(f"/batch/job?id={job.id}")


async def continue_job(request: Request) -> Response:
    """Continue a file where it stopped."""
    site, form = site_of(request), await read_form(request)
    job = _find(site, request, text_of(form, "id"))
    if job.state == "stopped":
        site.jobs.start(job)
    return redirect(f"/batch/job?id={job.id}")


async def delete_job(request: Request) -> Response:
    """Delete a file."""
    site, form = site_of(request), await read_form(request)
    site.jobs.delete(_find(site, request, text_of(form, "id")))
    session_of(request).notice = ["notice.deleted", {}]
    return redirect("/batch")


async def download_job(request: Request, id: str = "", raw: str = "") -> Response:
    """Return a file with its predictions: for spreadsheets or, with raw=yes, for programs."""
    site = site_of(request)
    job = _find(site, request, id)
    if job.state != "done":
        return redirect(f"/batch/job?id={job.id}")
    site.jobs.mark_fetched(job)
    headers = {"Content-Disposition": _attachment(job.name)}
    content = write_csv_table(job.table, job.cells(), raw == "yes")
    return StreamingResponse(content, media_type="text/csv", headers=headers)


async def _accept(site: Site, request: Request) -> Job:
    """Return the job of an uploaded file; raise a TableError or a TooManyJobs when it is refused."""
    owner = _owner(site, request)
    try:
        with site.jobs.arriving(owner):
            form = await read_form(request)
            name, table = await _read_table(site, form)
    except TooManyJobs:
        # Browsers show no answer before they have sent everything; nothing of it is kept.
        async for _ in request.stream():
            pass
        raise
    job = site.jobs.add(owner, name, table, "store" in form)
    job.columns = table.text_columns()
    return job


def _owner(site: Site, request: Request) -> Owner:
    """Return whose file it is. Only a provider's names are sure: with a shared password, an address is a person."""
    session, address = session_of(request), request.client.host if request.client else ""
    person = f"name {session.name}" if site.openid and session.logged_in else f"address {network_of(address)}"
    return Owner(session.id, person)


async def _read_table(site: Site, form: FormData) -> tuple[str, TicketTable]:
    """Return the name and the content of an uploaded file; raise a TableError when it is refused."""
    file, settings = form.get("file"), site.settings
    if not isinstance(file, UploadFile) or not file.filename:
        raise TableError("missing")
    content = await file.read()
    if len(content) > settings.max_upload_bytes:
        raise TableError("large", 413, limit=settings.max_upload_bytes)
    table = await site.tables.read(content, file.filename, _options(form))
    return file.filename[-MAX_NAME_LENGTH:], table


def _options(form: FormData) -> ReadOptions:
    """Return what the person says about the file; without it, the content decides."""
    encoding, delimiter, sheet = (text_of(form, name).strip() or None for name in ("encoding", "delimiter", "sheet"))
    return ReadOptions(encoding, delimiter, sheet, "no_header" not in form)


def _page(site: Site, request: Request, status: int = 200, error: Exception | None = None) -> Response:
    sentences = _sentences(site.words(request), error) if error else []
    return site.page(request, "batch.html", status, sentences=sentences, jobs=site.jobs.of(session_of(request).id))


def _sentences(t: Words, error: Any) -> list[str]:
    """Return what is wrong and, unless that is clear, what to do about it."""
    if isinstance(error, TooManyJobs):
        return [t(f"batch.many.{error.args[0]}")]
    values: dict[str, Any] = {
        name: t.number(each) if isinstance(each, int) else each for name, each in error.values.items()
    }
    if "what" in values:
        values["what"] = t.known(f"file.{values['what']}", values["what"])
    if "fault" in values:
        values["fault"] = t(f"fault.{values['fault']}")
    return [t(f"table.{error.kind}.{part}", **values) for part in ("what", "then")]


def _find(site: Site, request: Request, job_id: str) -> Job:
    job = site.jobs.find(job_id, session_of(request).id)
    if job is None:
        raise Problem(404, "this session has no such file, or it was deleted")
    return job


def _attachment(name: str) -> str:
    """Return the Content-Disposition (RFC 6266) of the file, whose name ends in -categories.csv."""
    stem = ENDINGS.sub("", name) + "-categories.csv"
    plain = re.sub(r"[^A-Za-z0-9._ -]", "_", stem)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(stem, safe='')}"
