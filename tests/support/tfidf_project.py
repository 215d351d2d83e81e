"""A small prepared data set, and trainings of the TF-IDF model on it."""

import json
import random
from pathlib import Path

import yaml

import prepare_data
import train_tfidf
from support.repository import shipped_params

WORDS = {
    "Hardware": ["laptop", "screen", "keyboard", "mouse", "battery", "charger", "dock", "monitor", "cable", "fan"],
    "HR Support": [
        *("leave", "salary", "contract", "holiday", "payslip"),
        *("training", "manager", "absence", "pension", "onboarding"),
    ],
    "Access": ["password", "account", "login", "badge", "permission", "locked", "reset", "vpn", "token", "group"],
}


def write_tickets(path: Path, count: int = 400) -> None:
    generator = random.Random(7)
    shared = [
        *("please", "hello", "urgent", "today", "again", "since", "monday"),
        *("help", "thanks", "team", "question", "before", "after"),
    ]
    lines = ["text,category"]
    for number in range(count):
        label = generator.choice(list(WORDS))
        words = generator.choices(WORDS[label], k=3) + generator.choices(shared, k=4)
        generator.shuffle(words)
        lines.append(f"{' '.join(words)} {number},{label if number % 20 else 'Access'}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


class Project:
    """A small prepared data set in a folder of its own, with a tracking database of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.params = yaml.safe_load(shipped_params())
        self.params["prepare"]["input"] = str(folder / "tickets.csv")
        self.params["train_tfidf"]["bootstrap_samples"] = 200
        write_tickets(folder / "tickets.csv")
        self.write_params()
        arguments = ["--params", self.at("params.yaml"), "--output", self.at("data"), "--metrics", self.at("p.json")]
        assert prepare_data.main(arguments) == 0

    def at(self, name: str) -> str:
        return str(self.folder / name)

    def write_params(self, **train) -> None:
        params = self.params | {"train_tfidf": self.params["train_tfidf"] | train}
        (self.folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")

    def outputs(self) -> list[str]:
        return ["--model", self.at("model"), "--metrics", self.at("m.json"), "--plots", self.at("plots")]

    def train(self, **train) -> int:
        self.write_params(**train)
        return train_tfidf.main(self.arguments())

    def arguments(self) -> list[str]:
        inputs = ["--params", self.at("params.yaml"), "--data", self.at("data")]
        return [*inputs, "--headline", self.at("headline.json"), *self.outputs()]

    def metrics(self) -> dict:
        return json.loads((self.folder / "m.json").read_text(encoding="utf-8"))

    def metadata(self) -> dict:
        return json.loads((self.folder / "model" / "metadata.json").read_text(encoding="utf-8"))
