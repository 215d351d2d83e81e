"""A finished training's files as an MLflow model, inside a run."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from callcenterai.artifact.folder import METADATA_FILE, ONNX_FILE, TRUSTED_TYPES


def log_model(model: Any, texts: list[str], metadata: dict[str, Any], folder: Path) -> str:
    """Log a folder's files as the MLflow model "model" of the active run and return its id; texts are its example."""
    from mlflow.models import Model

    describe = _describe_onnx if ONNX_FILE in metadata["files"] else _describe_pipeline
    files = [folder / name for name in (*metadata["files"], METADATA_FILE)]
    flavor = _WithFiles(describe(model, texts, metadata, folder), files)
    # Trying the example would load the model, and a failure would be a warning alone.
    logged = Model.log(artifact_path=None, name="model", flavor=flavor, validate_serving_input=False)
    return logged.model_id


class _WithFiles:
    """A flavor as MLflow takes it, whose model is the files of a finished training.

    MLflow's own would write the model anew, in other bytes than those whose hash is recorded, and load it twice to try
    it, which took longer than the training. So `save` writes what describes a model into MLflow's temporary folder, and
    there the files take their places, the scorer and the metadata beside the model, before anything is logged: what is
    registered is what was judged.
    """

    def __init__(self, save: Callable[..., None], files: list[Path]) -> None:
        """Take what writes the description, given path and mlflow_model, and the files; nothing is written yet."""
        self._save, self._files = save, files

    def save_model(self, path: str, mlflow_model: Any, **_: Any) -> None:
        """Write the model's folder, as Model.log asks of a flavor."""
        from mlflow.models.model import MLMODEL_FILE_NAME

        self._save(path=path, mlflow_model=mlflow_model)
        for file in self._files:
            shutil.copyfile(file, Path(path) / file.name)
        mlflow_model.model_size_bytes = sum(file.stat().st_size for file in Path(path).iterdir())
        mlflow_model.save(str(Path(path) / MLMODEL_FILE_NAME))


def _describe_pipeline(pipeline: Any, texts: list[str], metadata: dict[str, Any], folder: Path) -> Callable[..., None]:
    """Return what writes an MLflow model around the pipeline's file."""
    import mlflow
    import numpy as np
    from mlflow.models import infer_signature
    from sklearn.dummy import DummyClassifier

    # A tensor signature: with a column of a data frame, pyfunc would hand the pipeline column names for texts.
    example = np.array(texts)
    return partial(
        mlflow.sklearn.save_model,
        # Of the model itself, MLflow writes nothing but the file, which is there already.
        DummyClassifier(),
        signature=infer_signature(example, pipeline.predict(example)),
        input_example=example,
        serialization_format="skops",
        skops_trusted_types=TRUSTED_TYPES,
        # Given, so that MLflow does not spend seconds on finding them out.
        pip_requirements=_requirements(metadata),
    )


def _describe_onnx(model: Any, texts: list[str], metadata: dict[str, Any], folder: Path) -> Callable[..., None]:
    """Return what writes an MLflow model of the onnx flavor, which takes token ids, around the exported transformer."""
    import mlflow
    import onnx
    from mlflow.models import infer_signature

    return partial(
        mlflow.onnx.save_model,
        onnx.load(folder / ONNX_FILE),
        signature=infer_signature(
            model.inputs_of(texts), {"probabilities": model.predict_proba(texts).astype("float32")}
        ),
        pip_requirements=_requirements(metadata),
        save_as_external_data=False,
    )


def _requirements(metadata: dict[str, Any]) -> list[str]:
    # A local build, such as torch's 2.13.0+cpu, is nowhere to be had by that name.
    return [f"{name}=={version.partition('+')[0]}" for name, version in metadata["libraries"].items()]
