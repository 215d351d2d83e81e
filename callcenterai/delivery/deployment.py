"""Deploy a stack: pull the images, start them, promote first models, test, and roll back if anything fails."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from callcenterai.artifact.folder import kind_named, read_metadata
from callcenterai.core.cli import UserError, one_line, print_progress
from callcenterai.core.files import REPOSITORY
from callcenterai.delivery.host import LocalHost, SshHost, StepFailed
from callcenterai.delivery.secrets import SECRETS, parse_env
from callcenterai.delivery.smoke import WrongAnswer, check_stack, make_target, wait_until_ready
from callcenterai.delivery.stack import SERVICES, Stack, image_variable
from callcenterai.registry.gates import PromotionRefused
from callcenterai.registry.promotion import Promoter, Request, open_promoter
from callcenterai.registry.state import PRODUCTION
from callcenterai.tracking.runs import log_model_folder
from callcenterai.tracking.store import tracking_environment, translate_tracking_errors

PINNED_IMAGE = re.compile(r"(?:[\w.-]+(?::\d+)?/)?[a-z0-9._/-]+@sha256:[0-9a-f]{64}")
# The administrator that deploy/mlflow/team_server.py creates.
MLFLOW_ADMIN = "admin"
PORTS = {"agent": 8002, "web": 8080, "mlflow": 5000}
# Who has promoted a first model, in the registry's history.
PROMOTED_BY = "deploy_staging.py"


class FirstModel(NamedTuple):
    """A trained model for a registry that has none in Production: its kind, and where training has written it."""

    kind: str
    model: Path
    metrics: Path
    plots: Path
    report: Path


class Deployment(NamedTuple):
    """A stack to deploy: its secrets, first models, params.yaml and the test data for the gates, and the time limit."""

    stack: Stack
    secrets: dict[str, str]
    models: list[FirstModel]
    params: Path
    data: Path
    seconds: float


def deploy_staging(
    *,
    images_file: Path,
    first_models: list[Path],
    host: tuple[str | None, str | None, Path | None],
    compose: str,
    project: str,
    params: Path,
    data: Path,
    seconds: float,
) -> int:
    """Check everything that can be checked before anything changes, and deploy; return the exit code.

    host: its name, the folder there and the configuration of ssh, as for choose_host.
    """
    images = read_images(images_file)
    models = [find_first_model(folder) for folder in first_models]
    place = choose_host(*host)
    try:
        stack, secrets = Stack(place, compose, project), read_secrets(place)
        return deploy_images(Deployment(stack, secrets, models, params, data, seconds), images)
    except StepFailed as failure:
        raise UserError(f"on {place.name}, where nothing was changed: {failure}") from None


def choose_host(name: str | None, folder: str | None, ssh_config: Path | None) -> LocalHost:
    """Return the host of this name and the folder there, or this machine if there is no name."""
    if name:
        return SshHost(name, folder or "callcenterai", REPOSITORY, ssh_config)
    return LocalHost(Path(folder or REPOSITORY))


def read_images(path: Path) -> dict[str, str]:
    """Return the four images of an images.env; raise a UserError if one is missing or not pinned by digest."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; it has lines such as TFIDF_IMAGE=registry.example/tfidf@sha256:...")
    found, wanted = parse_env(path.read_text(encoding="utf-8")), [image_variable(name) for name in SERVICES]
    if set(found) != set(wanted):
        raise UserError(f"{path} has {', '.join(sorted(found)) or 'nothing'}; it needs {', '.join(wanted)}")
    for name, image in found.items():
        if not PINNED_IMAGE.fullmatch(image):
            raise UserError(
                f"{path}: {name} is {image!r}; only name@sha256:<64 hexadecimal digits> stays the same image"
            )
    return found


def read_secrets(host: LocalHost) -> dict[str, str]:
    """Return the variables of the stack's .env and of the environment; raise a UserError if a secret is missing."""
    text = host.read(".env")
    if text is None:
        raise UserError(
            f"there is no .env in {host.folder.as_posix()} on {host.name}; make one with "
            "`python scripts/make_secrets.py .env`, put it there and keep it"
        )
    secrets = parse_env(text) | dict(host.variables())
    missing = [name for name in SECRETS if not secrets.get(name)]
    if missing:
        raise UserError(
            f".env on {host.name} has no {', '.join(missing)}; `python scripts/make_secrets.py` adds what is missing "
            "to such a file and leaves the rest as it is"
        )
    return secrets


def find_first_model(folder: Path) -> FirstModel:
    """Return a model below models/ with its metrics and plots; raise a UserError if they do not exist."""
    kind, root = kind_named(read_metadata(folder)["name"]), folder.resolve().parents[1]
    metrics, report = root / "metrics" / f"{folder.name}.json", root / "reports" / "model_report.html"
    found = FirstModel(kind, folder, metrics, root / "plots" / folder.name, report)
    if not found.metrics.is_file():
        raise UserError(f"{found.metrics}: no such file; the training that made {folder} writes it")
    return found


def deploy_images(deployment: Deployment, images: dict[str, str]) -> int:
    """Deploy images and test them; roll back if that fails; return the exit code."""
    stack = deployment.stack
    before = stack.images()
    print_progress(f"on {stack.host.name} now: {', '.join(before.values()) or 'nothing'}")
    for image in images.values():
        print_progress(f"pulling {image}")
        stack.pull(image)
    files, new = stack.host.fetch_files(), images | {"MLFLOW_IMAGE": stack.mlflow_image()}
    try:
        stack.host.send_files()
        stack.build_mlflow(new)
        print_progress("starting the new images")
        stack.up(new, deployment.seconds)
        try_stack(deployment, deployment.models)
    except Exception as error:
        roll_back(deployment, new, before, files, error)
        if not is_expected(error):
            raise
        return 1
    remove_old_images(stack, new)
    for variable, image in new.items():
        print(f"{variable.removesuffix('_IMAGE').lower():<12} {image}")
    return 0


def try_stack(deployment: Deployment, models: list[FirstModel]) -> None:
    """Promote first models if there is nothing in Production, and run the smoke test; raise if it fails."""
    secrets = deployment.secrets
    ports = {
        name: (published_host(name, secrets), int(secrets.get(f"{name.upper()}_PORT") or port))
        for name, port in PORTS.items()
    }
    with deployment.stack.host.reach(ports) as addresses:
        for model in models:
            variables = registry_variables(addresses["mlflow"], secrets)
            promote_first_model(model, deployment.params, deployment.data, variables)
        target = make_target(addresses["agent"], addresses["web"], secrets, ".env")
        wait_until_ready(target, deployment.seconds)
        check_stack(target, print_progress)


def roll_back(
    deployment: Deployment, new: dict[str, str], before: dict[str, str], files: bytes | None, error: Exception
) -> None:
    """Restore what ran before, or stop the stack if it was not complete, and say on stderr what runs now."""
    stack, was_complete = deployment.stack, set(new) - {"MLFLOW_IMAGE"} <= set(before)
    reason = one_line(f"the deployment failed: {error}")
    print_progress(reason)
    try:
        stack.print_logs()
        if was_complete:
            print_progress("going back to what ran before")
            restore(deployment, {"MLFLOW_IMAGE": new["MLFLOW_IMAGE"]} | before, files)
            state = f"what ran before runs again and answers: {', '.join(before.values())}"
        else:
            stack.down(new)
            state = "no complete stack ran before, so this one is stopped; its volumes are kept"
    except Exception as another:
        if not is_expected(another):
            raise
        state = f"going back failed too ({one_line(str(another))}), so the stack is broken: look at it there"
    print_progress(f"error: {reason}. Staging on {stack.host.name}: {state}")


def restore(deployment: Deployment, images: dict[str, str], files: bytes | None) -> None:
    """Start these images, with these files if the host has got others, and test them."""
    stack = deployment.stack
    if files:
        stack.host.send_files(files)
    stack.remove_other_containers(images)
    stack.up(images, deployment.seconds)
    try_stack(deployment, [])


def remove_old_images(stack: Stack, images: dict[str, str]) -> None:
    """Remove images of earlier deployments; the deployment has succeeded even if this fails."""
    try:
        for name in stack.remove_unused_images(images):
            print_progress(f"removed {name}")
    except (StepFailed, UserError) as error:
        print_progress(f"images of earlier deployments stay: {one_line(str(error))}")


def is_expected(error: Exception) -> bool:
    """Whether an error belongs to deployments; any other is a bug and keeps its traceback."""
    return isinstance(error, StepFailed | WrongAnswer | UserError)


def published_host(service: str, secrets: Mapping[str, str]) -> str:
    """Return the address at which a service is published; MLflow has a variable of its own for it."""
    bound = secrets.get("MLFLOW_BIND_ADDRESS" if service == "mlflow" else "BIND_ADDRESS") or "127.0.0.1"
    return "127.0.0.1" if ipaddress.ip_address(bound).is_unspecified else bound


def registry_variables(address: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the variables with which MLflow's client uses the stack's server as its administrator."""
    login = {"MLFLOW_TRACKING_USERNAME": MLFLOW_ADMIN, "MLFLOW_TRACKING_PASSWORD": secrets["MLFLOW_ADMIN_PASSWORD"]}
    return {"MLFLOW_TRACKING_URI": address} | login


def promote_first_model(model: FirstModel, params: Path, data: Path, variables: Mapping[str, str]) -> None:
    """Promote a model to Production through the gates, unless one of its kind is there; raise StepFailed if refused.

    params.yaml and the test data are for the gates; the variables hold the address of MLflow and the login.
    """
    try:
        with tracking_environment(variables), translate_tracking_errors():
            promoter = open_promoter(model.kind, params, data)
            if promoter.registry.read_state().version_in(PRODUCTION):
                print_progress(f"{model.kind} is in Production already")
            else:
                folders = {name: getattr(model, name) for name in ("model", "metrics", "plots", "report")}
                run_id = log_model_folder(folders)
                promote_run(promoter, run_id)
    except PromotionRefused as refusal:
        reasons = "; ".join(f"{each.gate}: {each.message}" for each in refusal.verdicts if not each.passed)
        raise StepFailed(f"{model.model} may not go to Production: {reasons}") from None


def promote_run(promoter: Promoter, run_id: str) -> None:
    """Register a run and promote it to Production, with a line on stderr for each step."""
    request = Request(PROMOTED_BY, "the first model of staging")
    registration = promoter.register(run_id, request)
    print_progress(f"version {registration.version} of {promoter.registry.name} is run {run_id}")
    for promote in (promoter.promote_to_staging, promoter.promote_to_production):
        change = promote(None, request)
        for move in change.moves if change else ():
            print_progress(f"version {move.version}: {move.origin} -> {move.target}")
