"""What each command of scripts/mlflow_registry.py does, given its parsed options."""

import argparse

from callcenterai.core.cli import UserError
from callcenterai.registry import gates, reports
from callcenterai.registry.doctor import run_checkup
from callcenterai.registry.promotion import Request, find_user_name, open_promoter
from callcenterai.registry.store import open_registry
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
    return 0


def _check_or_change(options: argparse.Namespace) -> int:
    """Run `check`, or a command that changes the registry."""
    promoter = open_promoter(options.model, options.params, options.data)
    if options.command == "check":
        return 0 if reports.print_check(promoter, options.version, options.json) else 3
    force, by = getattr(options, "force", False), options.by or find_user_name()
    request = Request(by, options.reason, force, options.dry_run)
    if options.command == "register":
        reports.print_registration(promoter.register(options.run_id, request), promoter.registry.name)
        return 0
    made = {
        "staging": lambda: promoter.promote_to_staging(options.version, request),
        "production": lambda: promoter.promote_to_production(options.version, request),
        "archive": lambda: promoter.archive(options.version, request),
        "rollback": lambda: promoter.roll_back(request),
    }[options.command]()
    reports.print_change(made, options.dry_run)
    return 0
