"""Read what the pipeline has written, now or at a git revision: metrics, sizes of the split, hashes of the outputs."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.api import DVCFileSystem
from dvc.scm import RevError, SCMError

from callcenterai.core.cli import UserError
from callcenterai.core.params import read_yaml
from callcenterai.registry.gates import Measurement

# Takes a path and returns the file's text, or None if there is no such file.
Reader = Callable[[Path], str | None]
MISSING = object()
# Metrics of the test part that a report needs, besides `f1` and `tickets` of each class.
NEEDED_METRICS = (
    *((name,) for name in ("accuracy", "macro_f1", "weighted_f1", "ece", "per_class")),
    *((f"{name}_ci95", end) for name in ("accuracy", "macro_f1") for end in ("low", "high")),
    *(("auto_route", name) for name in ("coverage", "accuracy")),
)


@dataclass(frozen=True)
class Figures:
    """Metrics of the test part, metrics of prepare, and the hash of each output by its path."""

    test: dict[str, Any]
    prepared: dict[str, Any]
    outputs: dict[str, str]

    def find(self, *keys: str) -> Any:
        """Return the value below these keys in the metrics of the test part, or MISSING."""
        value: Any = self.test
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                return MISSING
            value = value[key]
        return value

    def missing_metrics(self) -> list[str]:
        """Return the names of the needed metrics that are missing or not numbers."""
        needed = [keys for keys in NEEDED_METRICS if not _is_valid(keys, self.find(*keys))]
        classes = self.find("per_class")
        own = [("per_class", label, name) for label in _as_dict(classes) for name in ("f1", "tickets")]
        return [".".join(("test", *keys)) for keys in (*needed, *own) if not _is_valid(keys, self.find(*keys))]

    def gated(self) -> Measurement:
        """Return the figures that the gates compare; none of them may be missing."""
        classes = self.test["per_class"].items()
        f1, tickets = ({label: row[name] for label, row in classes} for name in ("f1", "tickets"))
        route = self.test["auto_route"]
        promise = (route.get("target_accuracy"), isinstance(route.get("threshold"), dict))
        return Measurement(self.test["accuracy"], self.test["macro_f1"], f1, tickets, route["coverage"], promise)

    def has_same_output(self, other: "Figures", path: str) -> bool:
        """Whether an output is the same file on both sides, according to dvc.lock."""
        return path in self.outputs and self.outputs[path] == other.outputs.get(path)


def read_figures(metrics: Path, prepared: Path, lock: Path, read: Reader) -> Figures | None:
    """Return the figures, or None if one of the metrics files does not exist."""
    model_text, split_text = read(metrics), read(prepared)
    if model_text is None or split_text is None:
        return None
    model, split = _parse_json(model_text, metrics), _parse_json(split_text, prepared)
    return Figures(_as_dict(model.get("test")), split, _output_hashes(read(lock), lock))


def read_working_tree(path: Path) -> str | None:
    """Return the text of a file as it is now."""
    return path.read_text(encoding="utf-8") if path.exists() else None


def reader_at(revision: str) -> Reader:
    """Return a function that reads files as they were at a git revision."""
    if not revision:
        raise UserError("the revision to compare with is empty; name a branch or a commit")
    # DVC instead of git, because it also finds files that are only in its own cache.
    files = DVCFileSystem(rev=revision)

    def read(path: Path) -> str | None:
        # Not exists(), which returns False for an unknown revision as well.
        try:
            return files.read_text(path.as_posix(), encoding="utf-8")
        except FileNotFoundError:
            return None
        except RevError:
            advice = "in CI, check out with fetch-depth: 0 (a forced push may have removed the commit altogether)"
            raise UserError(f"git does not know the revision {revision!r}; {advice}") from None
        except SCMError as error:
            raise UserError(f"{error}; only git knows the earlier figures") from None

    return read


def _is_valid(keys: tuple[str, ...], value: Any) -> bool:
    if keys[-1] == "per_class":
        return bool(_as_dict(value))
    # Without a routed ticket there is no accuracy of the routed ones.
    return isinstance(value, int | float) or (value is None and keys == ("auto_route", "accuracy"))


def _as_dict(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _parse_json(text: str, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); `dvc repro` writes it again") from None
    return _as_dict(value)


def _output_hashes(text: str | None, path: Path) -> dict[str, str]:
    try:
        stages = (read_yaml(text or "") or {}).get("stages", {})
        return {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}
    except (ValueError, AttributeError, KeyError, TypeError):
        raise UserError(f"{path} is not in DVC's format; `dvc repro` writes it again") from None
