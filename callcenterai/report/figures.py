"""What the pipeline has left, now and at a git revision: metrics, the split, and which files are the same."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callcenterai.core.cli import UserError
from callcenterai.registry.gates import Measurement

# From a path to the file's text, or to None when there is no such file.
Reader = Callable[[Path], str | None]
MISSING = object()
# Of the test part, beside `f1` and `tickets` of each class.
NEEDED = (
    *((name,) for name in ("accuracy", "macro_f1", "weighted_f1", "ece", "per_class")),
    *((f"{name}_ci95", end) for name in ("accuracy", "macro_f1") for end in ("low", "high")),
    *(("auto_route", name) for name in ("coverage", "accuracy")),
)


@dataclass(frozen=True)
class Figures:
    """Metrics of the test part, the metrics of prepare, and the hash of each output by its path."""

    test: dict[str, Any]
    prepared: dict[str, Any]
    outputs: dict[str, str]

    def find(self, *keys: str) -> Any:
        """Return what stands under these keys in the metrics of the test part, or MISSING."""
        value: Any = self.test
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                return MISSING
            value = value[key]
        return value

    def absent(self) -> list[str]:
        """Return the names of the needed metrics that are not there, or are no figures."""
        needed = [keys for keys in NEEDED if not _is_figure(keys, self.find(*keys))]
        classes = self.find("per_class")
        own = [("per_class", label, name) for label in _mapping(classes) for name in ("f1", "tickets")]
        return [".".join(("test", *keys)) for keys in (*needed, *own) if not _is_figure(keys, self.find(*keys))]

    def judged(self) -> Measurement:
        """Return the figures that are gated; all of them have to be there."""
        classes = self.test["per_class"].items()
        f1, tickets = ({label: row[name] for label, row in classes} for name in ("f1", "tickets"))
        return Measurement(self.test["accuracy"], self.test["macro_f1"], f1, tickets)

    def has_output_of(self, other: "Figures", path: str) -> bool:
        """Whether an output is the same file there, as far as dvc.lock tells."""
        return path in self.outputs and self.outputs[path] == other.outputs.get(path)


def read_figures(metrics: Path, prepared: Path, lock: Path, read: Reader) -> Figures | None:
    """Return what is there, or None when there are no metrics."""
    texts = [read(path) for path in (metrics, prepared)]
    if None in texts:
        return None
    model, split = (_as_json(text, path) for text, path in zip(texts, (metrics, prepared)))
    return Figures(_mapping(model.get("test")), split, _hashes(read(lock), lock))


def now(path: Path) -> str | None:
    """Return the text of a file as it is now."""
    return path.read_text(encoding="utf-8") if path.exists() else None


def reader_at(revision: str) -> Reader:
    """Return what reads files as they were at a git revision."""
    from dvc.api import DVCFileSystem
    from dvc.scm import RevError, SCMError

    if not revision:
        raise UserError("the revision to compare with is empty; name a branch or a commit")
    # DVC, not git: it finds what git has, and also what only its own cache has.
    files = DVCFileSystem(rev=revision)

    def read(path: Path) -> str | None:
        # Not exists(), which says of an unknown revision, too, that the file is not there.
        try:
            return files.read_text(path.as_posix(), encoding="utf-8")
        except FileNotFoundError:
            return None
        except RevError:
            advice = "in CI, check out with fetch-depth: 0 (what a forced push has replaced may be gone altogether)"
            raise UserError(f"git does not know the revision {revision!r}; {advice}") from None
        except SCMError as error:
            raise UserError(f"{error}; only git knows what the figures were before") from None

    return read


def _is_figure(keys: tuple[str, ...], value: Any) -> bool:
    if keys[-1] == "per_class":
        return bool(_mapping(value))
    # Without a ticket that is routed, nobody can say how accurately they are.
    return isinstance(value, int | float) or (value is None and keys == ("auto_route", "accuracy"))


def _mapping(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _as_json(text: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); `dvc repro` makes it anew") from None
    return _mapping(value)


def _hashes(text: str | None, path: Path) -> dict[str, str]:
    from callcenterai.core.params import read_yaml

    try:
        stages = (read_yaml(text or "") or {}).get("stages", {})
        return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}
    except (ValueError, AttributeError, KeyError, TypeError):
        raise UserError(f"{path} is not as DVC writes it; `dvc repro` makes it anew") from None
