"""What each command of scripts/mlflow_registry.py does, given its parsed options."""

import argparse
import sys

from callcenterai.core.cli import UserError
from callcenterai.registry import gates, reports
from callcenterai.registry.doctor import run_checkup
from callcenterai.registry.promotion import Promoter, Request, find_user_name, open_promoter
from callcenterai.registry.state import PRODUCTION, Change
from callcenterai.registry.store import Registry, open_registry
from callcenterai.tracking.store import translate_tracking_errors


def run_registry_command(options: argparse.Namespace) -> int:
    """Run one command and return its exit code: 3 if a gate refuses, else 0."""
    if getattr(options, "force", False) and not options.reason:
        raise UserError("--force needs --reason: the history must say why a gate was passed")
    try:
        with translate_tracking_errors():
            # Only the commands that check gates have the option --params.
            return _check_or_change(options) if hasattr(options, "params") else _read(options)
    except gates.PromotionRefused as refusal:
        reports.print_refusal(refusal)
        return 3


def _read(options: argparse.Namespace) -> int:
    """Run a command that checks no gates: all of them read, and doctor may mend."""
    registry = open_registry(options.model)
    {
        "list": lambda: reports.print_versions(registry, options.json),
        "show": lambda: reports.print_version(registry, options.version, options.json),
        "diff": lambda: reports.print_diff(registry, options.version, options.json),
        "history": lambda: reports.print_history(registry, options.json),
        "doctor": lambda: run_checkup(registry, registry.folder, options.json),
        "export": lambda: reports.export_version(registry, options.version, options.folder, options.json),
    }[options.command]()
    _repair_production_folder(registry)
    return 0


def _repair_production_folder(registry: Registry) -> None:
    """Mend the copy of the version in Production; only warn of a failure, since the command itself has succeeded."""
    try:
        registry.repair_production_folder()
    except UserError as error:
        print(f"warning: {error}", file=sys.stderr)


def _check_or_change(options: argparse.Namespace) -> int:
    """Run `check`, or a command that changes the registry."""
    promoter = open_promoter(options.model, options.params, options.data)
    if options.command == "check":
        if options.database and options.model != "tfidf":
            raise UserError(
                "--database is for versions of the TF-IDF model: the agent asks no other one before promotion"
            )
        return 0 if reports.print_check(promoter, options.version, options.json, options.database) else 3
    force, dry_run = getattr(options, "force", False), getattr(options, "dry_run", False)
    request = Request(options.by or find_user_name(), options.reason, force, dry_run)
    if options.command == "register":
        reports.print_registration(promoter.register(options.run_id, request), promoter.registry.name)
    elif options.command == "bootstrap":
        _promote_first(promoter, request)
    else:
        reports.print_change(_move(promoter, options, request), dry_run)
    if not dry_run:
        _repair_production_folder(promoter.registry)
    return 0


def _move(promoter: Promoter, options: argparse.Namespace, request: Request) -> Change | None:
    """Move a version to another stage; return the change, None if there is nothing to do."""
    return {
        "staging": lambda: promoter.promote_to_staging(options.version, request),
        "production": lambda: promoter.promote_to_production(options.version, request),
        "archive": lambda: promoter.archive(options.version, request),
        "rollback": lambda: promoter.roll_back(request),
    }[options.command]()


def _promote_first(promoter: Promoter, request: Request) -> None:
    """Register the best run and bring it into Production through every gate, unless a version is there already."""
    if serving := promoter.registry.read_state().version_in(PRODUCTION):
        print(f"version {serving.number} is in Production already")
        return
    registration = promoter.register(None, request)
    reports.print_registration(registration, promoter.registry.name)
    for promote in (promoter.promote_to_staging, promoter.promote_to_production):
        reports.print_change(promote(str(registration.version), request), dry_run=False)
