"""Where the files that an MLflow database records are on this machine."""

from pathlib import Path

import pytest

from callcenterai.tracking.migration_files import RecordedPlaces


@pytest.mark.parametrize(
    "recorded, folder",
    [
        ("/old/mlruns/1/run/artifacts", "/new/place/1/run/artifacts"),
        ("file:///old/mlruns/1/run/artifacts", "/new/place/1/run/artifacts"),
        ("/old/mlruns", "/new/place"),
        ("/old/mlruns-of-2024/1", "/old/mlruns-of-2024/1"),
    ],
)
@pytest.mark.parametrize("old", ["/old/mlruns", "/old/mlruns/"])
def test_files_below_a_moved_folder_are_looked_for_in_its_new_place(recorded, folder, old):
    """A folder whose name only begins like that of the moved one has not moved."""
    places = RecordedPlaces(Path("/proxied"), (old, "/new/place"))
    assert Path(folder) == places.folder(recorded)
