"""Deploy four images by digest, try them, and go back to what ran before when they are not good.

    python scripts/deploy_staging.py images.env
    python scripts/deploy_staging.py images.env --first-model models/tfidf
    python scripts/deploy_staging.py images.env --host deploy@staging.example --ssh-config ssh_config

images.env has TFIDF_IMAGE, TRANSFORMER_IMAGE, AGENT_IMAGE and WEB_IMAGE, each as name@sha256:...: a tag may be another
image tomorrow. MLflow's image is built where it runs. The stack is the one of compose.yaml, in this folder or, with
--host, in a folder of that machine, to which compose.yaml and what it mounts are sent; the secrets are in the .env
there. With --first-model, a registry that has no Production of that model gets this one, through the gates.

What runs now is asked of docker or podman, so a deployment that was killed is simply started again. Exit codes: 0 the
new images run and answer, 1 they do not and stderr says what runs now, 2 something to mend, and nothing was changed.
"""

import argparse
import ipaddress
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import _path  # noqa: F401
from callcenterai.core.cli import UserError, one_line, run
from callcenterai.delivery.env_file import parse_env
from callcenterai.delivery.first_models import FirstModel, first_model, promote_first
from callcenterai.delivery.host import say
from make_secrets import SECRETS

if TYPE_CHECKING:
    from callcenterai.delivery.host import Here
    from callcenterai.delivery.stack import Stack

ROOT = Path(__file__).resolve().parents[1]
IMAGE = re.compile(r"(?:[\w.-]+(?::\d+)?/)?[a-z0-9._/-]+@sha256:[0-9a-f]{64}")
# deploy/mlflow/team_server.py makes this user.
ADMIN = "admin"
PORTS = {"agent": 8002, "web": 8080, "mlflow": 5000}


class Deployment(NamedTuple):
    """What is deployed where."""

    stack: "Stack"
    secrets: dict[str, str]
    models: list[FirstModel]
    judging: list[str]
    seconds: float


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and deploy; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="images.env")
    parser.add_argument("--host", metavar="USER@HOST", help="deploy there by ssh; default: on this machine")
    parser.add_argument(
        "--ssh-config", type=Path, metavar="FILE", help="for ssh -F: the key, the known hosts, the port"
    )
    parser.add_argument("--folder", help="of compose.yaml and .env; default: this one or, on a host, callcenterai")
    parser.add_argument("--project", default="callcenterai", help="compose's project; default: %(default)s")
    parser.add_argument("--compose", default="docker compose", help="or podman-compose; default: %(default)s")
    parser.add_argument("--first-model", type=Path, action="append", default=[], metavar="models/NAME")
    parser.add_argument("--params", type=Path, default=ROOT / "params.yaml", help="of the gates; default: %(default)s")
    parser.add_argument("--data", type=Path, default=ROOT / "data" / "processed", help="of them; default: %(default)s")
    parser.add_argument("--wait", type=float, default=180, help="seconds until it has to answer; default: %(default)g")
    args = parser.parse_args(argv)
    return run(lambda: prepare_and_deploy(args))


def prepare_and_deploy(args: argparse.Namespace) -> int:
    """Check all that can be checked before anything changes, and deploy; return the exit code."""
    from callcenterai.delivery.host import Failed, Here, Host
    from callcenterai.delivery.stack import Stack

    images = read_images(args.images)
    models = [first_model(folder) for folder in args.first_model]
    if args.host:
        place: Here = Host(args.host, args.folder or "callcenterai", ROOT, args.ssh_config)
    else:
        place = Here(Path(args.folder or ROOT))
    judging = ["--params", str(args.params), "--data", str(args.data)]
    try:
        stack, secrets = Stack(place, args.compose, args.project), read_secrets(place)
        return deploy(Deployment(stack, secrets, models, judging, args.wait), images)
    except Failed as failure:
        raise UserError(f"on {place.name}, where nothing was changed: {failure}") from None


def read_images(path: Path) -> dict[str, str]:
    """Return the four images; a UserError when one is missing, or is no digest."""
    from callcenterai.delivery.stack import SERVICES, variable_of

    if not path.is_file():
        raise UserError(f"{path}: no such file; it has lines such as TFIDF_IMAGE=registry.example/tfidf@sha256:...")
    found, wanted = parse_env(path.read_text(encoding="utf-8")), [variable_of(name) for name in SERVICES]
    if set(found) != set(wanted):
        raise UserError(f"{path} has {', '.join(sorted(found)) or 'nothing'}; it needs {', '.join(wanted)}")
    for name, image in found.items():
        if not IMAGE.fullmatch(image):
            raise UserError(
                f"{path}: {name} is {image!r}; only name@sha256:<64 hexadecimal digits> stays the same image"
            )
    return found


def read_secrets(place: "Here") -> dict[str, str]:
    """Return what the .env of the stack and the environment say; a UserError when a secret is missing."""
    text = place.read(".env")
    if text is None:
        raise UserError(
            f"there is no .env in {place.folder.as_posix()} on {place.name}; `python scripts/make_secrets.py .env` "
            "makes one, to be put there once and kept"
        )
    secrets = parse_env(text) | place.variables()
    missing = [name for name in SECRETS if not secrets.get(name)]
    if missing:
        raise UserError(
            f".env on {place.name} has no {', '.join(missing)}; `python scripts/make_secrets.py` adds to such a file "
            "what is missing and leaves the rest as it is"
        )
    return secrets


def deploy(job: Deployment, images: dict[str, str]) -> int:
    """Deploy images and try them; go back when they are not good; return the exit code."""
    stack = job.stack
    before = stack.images()
    say(f"on {stack.place.name} now: {', '.join(before.values()) or 'nothing'}")
    for image in images.values():
        say(f"pulling {image}")
        stack.pull(image)
    files, new = stack.place.fetch_files(), images | {"MLFLOW_IMAGE": stack.mlflow_image()}
    try:
        stack.place.send_files()
        stack.build_mlflow(new)
        say("starting the new images")
        stack.up(new, job.seconds)
        try_out(job, job.models)
    except Exception as trouble:
        go_back(job, new, before, files, trouble)
        if is_bug(trouble):
            raise
        return 1
    clear_up(stack, new)
    for variable, image in new.items():
        print(f"{variable.removesuffix('_IMAGE').lower():<12} {image}")
    return 0


def clear_up(stack: "Stack", images: dict[str, str]) -> None:
    """Remove images of earlier deployments; what cannot be removed is no reason to call this one a failure."""
    from callcenterai.delivery.host import Failed

    try:
        for name in stack.remove_unused(images):
            say(f"removed {name}")
    except (Failed, UserError) as trouble:
        say(f"images of earlier deployments stay: {one_line(str(trouble))}")


def go_back(
    job: Deployment, new: dict[str, str], before: dict[str, str], files: bytes | None, trouble: Exception
) -> None:
    """Bring back what ran before, or stop all when nothing whole did, and say which it is."""
    stack, whole = job.stack, set(new) - {"MLFLOW_IMAGE"} <= set(before)
    told = one_line(f"the deployment failed: {trouble}")
    say(told)
    try:
        stack.write_logs()
        if not whole:
            stack.down(new)
            state = "nothing whole ran before, so the stack is stopped; its volumes are kept"
        else:
            say("going back to what ran before")
            if files:
                stack.place.send_files(files)
            stack.remove_others(before)
            stack.up({"MLFLOW_IMAGE": new["MLFLOW_IMAGE"]} | before, job.seconds)
            try_out(job, [])
            state = f"what ran before runs again and answers: {', '.join(before.values())}"
    except Exception as another:
        if is_bug(another):
            raise
        state = f"going back failed too ({one_line(str(another))}), so it is broken: look at it there"
    say(f"error: {told}. Staging on {stack.place.name}: {state}")


def is_bug(error: Exception) -> bool:
    """Whether an error is one that a deployment does not expect."""
    from callcenterai.delivery.host import Failed
    from callcenterai.delivery.smoke import Wrong

    return not isinstance(error, Failed | Wrong | UserError)


def try_out(job: Deployment, models: list[FirstModel]) -> None:
    """Put first models into Production where there is none, and run the smoke test; raise when it is not good."""
    import smoke_test

    secrets = job.secrets
    ports = {
        name: (host_of(name, secrets), int(secrets.get(f"{name.upper()}_PORT") or port)) for name, port in PORTS.items()
    }
    with job.stack.place.reach(ports) as addresses:
        for model in models:
            promote_first(model, job.judging, registry_of(addresses["mlflow"], secrets), Path(__file__).name)
        target = smoke_test.target_of(addresses["agent"], addresses["web"], secrets, ".env")
        smoke_test.wait_until_ready(target, job.seconds)
        smoke_test.check_all(target, say)


def host_of(service: str, secrets: dict[str, str]) -> str:
    """Return the address at which a service is published; MLflow has one of its own."""
    bound = secrets.get("MLFLOW_BIND_ADDRESS" if service == "mlflow" else "BIND_ADDRESS") or "127.0.0.1"
    return "127.0.0.1" if ipaddress.ip_address(bound).is_unspecified else bound


def registry_of(address: str, secrets: dict[str, str]) -> dict[str, str]:
    """Return the variables with which a script of ours asks the stack's MLflow, as its administrator."""
    login = {"MLFLOW_TRACKING_USERNAME": ADMIN, "MLFLOW_TRACKING_PASSWORD": secrets["MLFLOW_ADMIN_PASSWORD"]}
    return {"MLFLOW_TRACKING_URI": address} | login


if __name__ == "__main__":
    sys.exit(main())
