"""Learning the routing policy: its content, what it is learned on, its figures, and which inputs are refused.

Most tests use two TF-IDF models, a bad one that is always asked and a good one: learning does not depend on the kind.
"""

import hashlib
import json
import shutil

import numpy as np
import pytest

import fit_routing
from callcenterai.artifact.folder import load_model, probabilities_bytes
from support.repository import write_params
from support.tickets import read_csv, write_csv

LEAST = 1e-6


class Bench:
    """Copies of two models and their data, which tests may change; metadata.json is then brought up to date."""

    def __init__(self, folder, data, first, second):
        self.folder, self.data = folder, folder / "data"
        self.models = {"tfidf": folder / "first", "transformer": folder / "second"}
        for source, target in zip((data, first, second), (self.data, *self.models.values()), strict=True):
            shutil.copytree(source, target)

    def run(self, **changes):
        """Run the command with changed parameters and return the exit code."""
        params = write_params(self.folder / "params.yaml", fit_routing={"bootstrap_samples": 100} | changes)
        places = {"params": params, "data": self.data, "policy": self.folder / "policy.json"}
        places["metrics"] = self.folder / "routing.json"
        options = [text for name, path in places.items() for text in (f"--{name}", str(path))]
        return fit_routing.main([*map(str, self.models.values()), *options])

    def read(self, name):
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def learn(self, **changes):
        """Run the command and return the policy."""
        assert self.run(**changes) == 0
        return self.read("policy.json")

    def metadata(self, name):
        return json.loads((self.models[name] / "metadata.json").read_text(encoding="utf-8"))

    def write_metadata(self, name, metadata):
        (self.models[name] / "metadata.json").write_text(json.dumps(metadata), encoding="utf-8")

    def set_held_out(self, name, probabilities):
        """Replace the probabilities that a model gave on the tickets that were held out."""
        content = probabilities_bytes(probabilities)
        (self.models[name] / "held_out.npy").write_bytes(content)
        metadata = self.metadata(name)
        metadata["files"]["held_out.npy"] = hashlib.sha256(content).hexdigest()
        self.write_metadata(name, metadata)

    def replace(self, part, rows):
        """Replace a part of the data, as if both models had been trained and tested with it."""
        path = write_csv(self.data / f"{part}.csv", [[*row.values()] for row in rows], tuple(rows[0]))
        for name in self.models:
            metadata = self.metadata(name)
            metadata["data"][part]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            self.write_metadata(name, metadata)

    def answers(self, part):
        """Return both models' probabilities on a part and the true label numbers; on all but test, the stored ones.

        The part "held_out" is train followed by validation.
        """
        names = ["train", "validation"] if part == "held_out" else [part]
        rows = [row for name in names for row in read_csv(self.data / f"{name}.csv")]
        labels = self.metadata("tfidf")["labels"]
        true = np.array([labels.index(row["label"]) for row in rows])
        if part != "test":
            stored = (np.load(folder / "held_out.npy").astype(float) for folder in self.models.values())
            return *(each[-len(rows) :] for each in stored), true
        texts = [row["text"] for row in rows]
        return *(load_model(folder).predict_proba(texts) for folder in self.models.values()), true


@pytest.fixture
def bench(trained, folders, tmp_path):
    return Bench(tmp_path, trained.data, folders["bad"], folders["good"])


def pool(policy, first, second):
    """Apply the policy's weights and biases by the formula."""
    weights = policy["weights"]
    scores = weights["tfidf"] * np.log(np.maximum(first, LEAST))
    scores += weights["transformer"] * np.log(np.maximum(second, LEAST)) + policy["biases"]
    return np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


def log_loss(probabilities, true):
    return -np.log(np.maximum(probabilities[np.arange(len(true)), true], LEAST)).mean()


def test_the_agents_reader_takes_the_policy_and_computes_the_same(bench):
    """The policy also names its labels and the models that it was learned for."""
    from services.agent.routing.policy import Policy

    policy = bench.learn()
    assert set(policy) == {
        *("format", "labels", "models", "ask_below", "weights", "biases", "threshold", "target_accuracy"),
        *("parameters", "milliseconds"),
    }
    assert policy["format"] == 1 and policy["labels"] == bench.metadata("tfidf")["labels"]
    assert policy["models"] == {name: bench.metadata(name)["files"]["model.skops"] for name in bench.models}
    assert policy["target_accuracy"] == policy["parameters"]["target_accuracy"] == 0.95
    costs = policy["milliseconds"]
    share = bench.read("routing.json")["transformer_share"]
    assert (
        costs["mean"] == pytest.approx(costs["tfidf"] + share * costs["transformer"], abs=0.002) and costs["mean"] > 0
    )
    first, second, _ = bench.answers("test")
    by_label = [dict(zip(policy["labels"], each[0], strict=True)) for each in (first, second)]
    combined = Policy.model_validate(policy).combine(*by_label)
    assert [*combined.values()] == pytest.approx(pool(policy, first, second)[0], abs=1e-9)


def test_every_figure_is_computed_with_the_policy(bench, capsys):
    """The test computes each figure again, from the files alone."""
    # The good model comes first; the other one's stored answers are all right, so that asking for some tickets pays.
    bench.models = dict(zip(bench.models, reversed(bench.models.values()), strict=True))
    true = bench.answers("held_out")[2]
    bench.set_held_out("transformer", 0.8 * np.eye(len(bench.metadata("tfidf")["labels"]))[true] + 0.025)
    policy = bench.learn(target_accuracy=0.8)
    metrics = bench.read("routing.json")
    groups = {part: {row["group"] for row in read_csv(bench.data / f"{part}.csv")} for part in ("train", "validation")}
    for part, learned in (("validation", groups["train"]), ("test", groups["train"] | groups["validation"])):
        first, second, true = bench.answers(part)
        together, asked = pool(policy, first, second), first.max(axis=1) < policy["ask_below"]
        found = np.where(asked[:, None], together, first)
        right, sure = found.argmax(axis=1) == true, found.max(axis=1) >= policy["threshold"]
        figures = metrics[part]
        assert figures["accuracy"] == pytest.approx(right.mean(), abs=1e-6)
        assert figures["auto_route"]["threshold"] == policy["threshold"]
        assert figures["auto_route"]["coverage"] == pytest.approx(sure.mean(), abs=1e-6) and sure.any()
        assert figures["auto_route"]["accuracy"] == pytest.approx(right[sure].mean(), abs=1e-6)
        seen = [row["group"] in learned for row in read_csv(bench.data / f"{part}.csv")]
        assert figures["near_duplicates_of_training"] == sum(seen)
    alone = {
        name: float(np.mean(each.argmax(axis=1) == true))
        for name, each in zip(bench.models, (first, second), strict=True)
    }
    assert metrics["models"] == pytest.approx(alone, abs=1e-6)
    assert metrics["always_both"] == pytest.approx(np.mean(together.argmax(axis=1) == true), abs=1e-6)
    assert metrics["gain"] == pytest.approx(right.mean() - max(alone.values()), abs=2e-6)
    assert metrics["transformer_share"] == pytest.approx(asked.mean(), abs=1e-6) and asked.any()
    assert f"test: accuracy {100 * right.mean():.2f}% (tfidf alone" in capsys.readouterr().out


def test_the_policy_does_not_depend_on_test(bench):
    """With other texts and labels in test, the policy is the same but for the costs, which are measured there."""
    policy, metrics = bench.learn(), bench.read("routing.json")
    rows = read_csv(bench.data / "test.csv")
    bench.replace("test", [row | {"text": f"other {row['text']}", "label": rows[0]["label"]} for row in rows[::2]])
    again = bench.learn()
    assert again | {"milliseconds": 0} == policy | {"milliseconds": 0}
    assert bench.read("routing.json")["validation"] == metrics["validation"]
    assert bench.read("routing.json")["test"]["accuracy"] != metrics["test"]["accuracy"]


@pytest.mark.parametrize("most", [0, 0.05, 0.3, 1])
def test_the_transformer_is_asked_for_no_more_tickets_than_allowed(bench, most):
    first, _, _ = bench.answers("held_out")
    asked = first.max(axis=1) < bench.learn(largest_transformer_share=most)["ask_below"]
    assert asked.mean() <= most
    # The first model is so bad that asking for every allowed ticket is worth it.
    assert asked.mean() > 0.8 * most - 0.01


def test_equally_confident_answers_do_not_break_the_limit(bench):
    """If the first model is equally confident of all tickets, asking for some would mean asking for all."""
    _, second, true = bench.answers("held_out")
    bench.set_held_out("tfidf", np.full_like(second, 1 / second.shape[1]))
    assert bench.learn(largest_transformer_share=0.3)["ask_below"] <= 1 / second.shape[1]


def test_with_a_share_of_zero_the_transformer_is_never_asked(bench):
    """The figures are then those of the first model alone."""
    assert bench.learn(largest_transformer_share=0)["ask_below"] == 0
    metrics = bench.read("routing.json")
    assert metrics["transformer_share"] == 0
    assert metrics["test"]["accuracy"] == metrics["models"]["tfidf"]


def test_the_pool_is_no_worse_than_either_model_alone(bench):
    """Measured by log loss on the tickets it was fitted on: each model alone, with weight 1, is one possible pool."""
    first, second, true = bench.answers("held_out")
    loss = log_loss(pool(bench.learn(), first, second), true)
    assert loss <= min(log_loss(first, true), log_loss(second, true)) + 1e-5


def test_the_pool_of_two_complementary_models_is_always_right(bench):
    """Each model is right about one half of the tickets and unsure about the other half."""
    true = bench.answers("held_out")[2]
    sure, doubt = (np.full((len(true), len(bench.metadata("tfidf")["labels"])), low) for low in (0.01, 0.1))
    sure[np.arange(len(true)), true] = doubt[np.arange(len(true)), (true + 1) % doubt.shape[1]] = 1
    sure, doubt = (each / each.sum(axis=1, keepdims=True) for each in (sure, doubt))
    half = (np.arange(len(true)) % 2 == 0)[:, None]
    bench.set_held_out("tfidf", np.where(half, sure, doubt))
    bench.set_held_out("transformer", np.where(half, doubt, sure))
    policy = bench.learn(largest_transformer_share=0.6)
    assert bench.read("routing.json")["validation"]["accuracy"] == 1
    assert policy["weights"]["tfidf"] == pytest.approx(policy["weights"]["transformer"], rel=0.2)


def test_a_useless_model_gets_no_weight(bench):
    true = bench.answers("held_out")[2]
    noise = np.random.default_rng(3).dirichlet(np.ones(len(bench.metadata("tfidf")["labels"])), len(true))
    bench.set_held_out("transformer", noise)
    weights = bench.learn()["weights"]
    assert weights["transformer"] < 0.1 * weights["tfidf"]


def test_without_a_proven_threshold_every_ticket_goes_to_a_person(bench, capsys):
    assert bench.learn(target_accuracy=0.999)["threshold"] is None
    assert bench.read("routing.json")["test"]["auto_route"]["coverage"] == 0
    assert "every ticket goes to a person" in capsys.readouterr().out


def other_data(bench):
    rows = read_csv(bench.data / "validation.csv")[1:]
    write_csv(bench.data / "validation.csv", [[*row.values()] for row in rows], tuple(rows[0]))


def other_labels(bench):
    metadata = bench.metadata("transformer")
    bench.write_metadata("transformer", metadata | {"labels": [label + "s" for label in metadata["labels"]]})


def damaged_held_out(bench):
    path = bench.models["transformer"] / "held_out.npy"
    path.write_bytes(path.read_bytes()[:-1])


def missing_file(bench):
    (bench.models["tfidf"] / "held_out.npy").unlink()


def missing_folder(bench):
    shutil.rmtree(bench.models["transformer"])


@pytest.mark.parametrize(
    "change, message",
    [
        (other_data, "validation.csv is not the validation part of"),
        (other_labels, "the models have different labels: train both on the same data"),
        (damaged_held_out, "held_out.npy is not the file that metadata.json vouches for"),
        (missing_file, "held_out.npy: no such file"),
        (missing_folder, "metadata.json: no such file"),
    ],
)
def test_models_and_data_that_do_not_match_are_refused_and_the_last_policy_stays(bench, error_line, change, message):
    bench.learn()
    files = [bench.folder / name for name in ("policy.json", "routing.json")]
    before = [path.read_bytes() for path in files]
    change(bench)
    assert bench.run() == 2
    assert message in error_line()
    assert [path.read_bytes() for path in files] == before


def test_a_share_above_one_is_refused(bench, error_line):
    assert bench.run(largest_transformer_share=1.5) == 2
    assert "fit_routing.largest_transformer_share: input should be less than or equal to 1" in error_line()
    assert not (bench.folder / "policy.json").exists()


@pytest.mark.runs("python scripts/fit_routing.py models/tfidf models/transformer")
@pytest.mark.slow
def test_a_transformer_is_asked_when_tfidf_is_unsure(trained, folders, transformer, tmp_path):
    """With both kinds of model as trained, the policy names the transformer by its ONNX file and uses it."""
    bench = Bench(tmp_path, trained.data, folders["good"], transformer.model)
    policy, metrics = bench.learn(), bench.read("routing.json")
    assert policy["models"]["transformer"] == bench.metadata("transformer")["files"]["model.onnx"]
    first, second, true = bench.answers("held_out")
    assert metrics["validation"]["accuracy"] >= np.mean(first.argmax(axis=1) == true)
    assert policy["weights"]["transformer"] > 0.1
    assert 0 < policy["milliseconds"]["tfidf"] <= policy["milliseconds"]["mean"]
