"""The file metrics/features.json: what choose_features chose, and for which tickets and parameters."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from callcenterai.core.cli import UserError
from callcenterai.core.files import json_bytes, sha256, write_files
from callcenterai.core.params import TrainTfidfParameters
from callcenterai.data.parts import Part
from callcenterai.tfidf.choice import READ, FeatureChoice, choose_features


def write_choice(params: TrainTfidfParameters, train: Part, clean: str, output: Path) -> None:
    """Choose features, accents, class_spread and C on train, and write the choice with what it was made for."""
    choice = choose_features(params, train)
    write_files({output: json_bytes(_made_for(params, train, clean) | asdict(choice))})
    print(", ".join(f"{name} {value}" for name, value in choice.chosen.items()))


def read_choice(path: Path, params: TrainTfidfParameters, train: Part, clean: str) -> FeatureChoice:
    """Return the choice that write_choice wrote; raise a UserError unless it was made for this data and parameters."""
    again = "`dvc repro choose_features` makes it anew"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        choice = FeatureChoice(content.pop("chosen"), content.pop("tickets"), content.pop("tried"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {again}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is not as choose_features.py writes it; {again}") from None
    if content != _made_for(params, train, clean):
        raise UserError(f"{path} was made for other tickets or parameters; {again}")
    return choice


def _made_for(params: TrainTfidfParameters, train: Part, clean: str) -> dict[str, Any]:
    parameters = {name: getattr(params, name) for name in READ}
    return {"train_sha256": sha256(train.path), "clean": clean, "parameters": parameters}
