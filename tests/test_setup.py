"""What setup_mlops.py does to a machine: what it makes, keeps, makes anew, and leaves alone.

The last test does it for real, in a copy without .git. The others replace what would take minutes.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import set_parameters
import setup_mlops
from setup_mlops import Venv
from support.repository import unpack

ROOT = Path(setup_mlops.__file__).parent


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A repository with nothing in it but the files that setup_mlops.py insists on, and the current folder."""
    folder = tmp_path / "home" / "repository"
    for name in setup_mlops.NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    monkeypatch.setattr(setup_mlops, "ROOT", folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def installed(monkeypatch):
    """The environments that packages were installed into, which takes no time here."""
    folders = []
    monkeypatch.setattr(setup_mlops, "install_packages", lambda venv: folders.append(venv.folder))
    return folders


@pytest.fixture
def calls(monkeypatch):
    """The commands called, without Python's path; set `calls.codes[word]` to let those with that word in them fail."""

    class Calls(list):
        codes: dict[str, int] = {}

        def __call__(self, *command, **_):
            self.append(" ".join(map(str, command[1:])))
            return next((code for word, code in self.codes.items() if word in self[-1].split()), 0)

    fake = Calls()
    fake.codes = {}
    monkeypatch.setattr(setup_mlops, "call", fake)
    return fake


# The environment


def test_packages_are_installed_once(root, installed):
    venv = Venv(root / ".venv")
    setup_mlops.install(venv)
    setup_mlops.install(venv)
    assert installed == [venv.folder]
    assert venv.python.exists()


def test_changed_requirements_are_installed_into_the_same_environment(root, installed):
    venv = Venv(root / ".venv")
    setup_mlops.install(venv)
    (venv.folder / "mine").touch()
    (root / setup_mlops.REQUIREMENTS).write_text("something==1")
    setup_mlops.install(venv)
    assert len(installed) == 2
    assert (venv.folder / "mine").exists()


def test_an_environment_that_the_user_made_is_used_as_it_is(root, installed):
    venv = Venv(root / ".venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv.folder], check=True)
    (venv.folder / "mine").touch()
    setup_mlops.install(venv)
    assert installed == [venv.folder]
    assert (venv.folder / "mine").exists()


def interrupt(venv, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    (venv.folder.parent / setup_mlops.REQUIREMENTS).write_text("something==1")
    with monkeypatch.context() as context:
        context.setattr(setup_mlops, "install_packages", stop)
        assert setup_mlops.main(["--venv", str(venv.folder)]) == 130


def move(venv, _):
    text = venv.record.read_text()
    venv.record.write_text(text.replace(str(venv.folder), "/elsewhere/.venv"))


def lose_python(venv, _):
    venv.python.unlink()
    venv.python.symlink_to(venv.folder / "uninstalled")


def change_python(venv, _):
    venv.python.unlink()
    venv.python.write_text("#!/bin/sh\necho 3.10\n")
    venv.python.chmod(0o755)


@pytest.mark.parametrize("damage", [interrupt, move, lose_python, change_python])
@pytest.mark.skipif(os.name == "nt", reason="the damage is done with links and shell scripts")
def test_an_unusable_environment_is_made_anew(root, installed, monkeypatch, damage):
    venv = Venv(root / ".venv")
    setup_mlops.install(venv)
    (venv.folder / "half a package").touch()
    damage(venv, monkeypatch)
    setup_mlops.install(venv)
    assert installed == [venv.folder] * 2
    assert not (venv.folder / "half a package").exists()
    assert setup_mlops.python_version(venv) == f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_a_folder_that_is_no_environment_is_not_touched(root, installed, capsys):
    (root / "thesis").mkdir()
    (root / "thesis" / "chapter1.txt").write_text("irreplaceable")
    assert setup_mlops.main(["--venv", "thesis"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {root / 'thesis'} is not a virtual environment")
    assert (root / "thesis" / "chapter1.txt").read_text() == "irreplaceable"


def test_debian_without_its_venv_package_is_told_which_one(root, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert setup_mlops.main([]) == 2
    assert "apt install python3-venv" in capsys.readouterr().err
    assert not (root / ".venv").exists()


def test_pip_installs_what_uv_cannot(root, calls, capsys):
    calls.codes = {"uv": 1}
    setup_mlops.install_packages(Venv(root / ".venv"))
    assert calls[-1].startswith("-m pip") and "--require-hashes" in calls[-1]
    assert "trying pip" in capsys.readouterr().err


def test_without_a_network_one_line_says_so(root, calls, capsys):
    calls.codes = {"pip": 1}
    assert setup_mlops.main(["--venv", str(root / "venv")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: the packages could not be installed")


@pytest.mark.runs("python setup_mlops.py transformer")
def test_pytorch_is_installed_only_when_it_is_asked_for(root, installed, calls, capsys):
    """By pip, which takes the machine's settings, and after everything else; a failure says what to do."""
    assert setup_mlops.main(["test"]) == 0
    assert not any(setup_mlops.TRANSFORMER_REQUIREMENTS in call for call in calls)
    assert setup_mlops.main(["transformer"]) == 0
    assert calls[-1].startswith("-m pip ") and calls[-1].endswith(setup_mlops.TRANSFORMER_REQUIREMENTS)
    calls.codes["pip"] = 1
    assert setup_mlops.main(["transformer"]) == 2
    assert "PyTorch could not be installed" in capsys.readouterr().err


def test_a_copy_of_the_script_alone_is_refused(root, calls, capsys):
    (root / "dvc.yaml").unlink()
    assert setup_mlops.main([]) == 2
    assert f"{root} has no dvc.yaml" in capsys.readouterr().err
    assert calls == []


# The data


@pytest.mark.skipif(os.name == "nt", reason="expects paths below one root, which Windows drives need not share")
def test_files_are_named_from_the_repository_wherever_the_user_is(root, monkeypatch):
    home = root.parent
    names = ("repository/data/my tickets.csv", "shared/x.csv")
    for name in names:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).touch()
    monkeypatch.chdir(home)
    assert [setup_mlops.stored_path(name) for name in names] == ["data/my tickets.csv", "../shared/x.csv"]
    assert setup_mlops.stored_path("/etc/hosts") == "/etc/hosts"


def parameters(*arguments):
    return setup_mlops.chosen_parameters(setup_mlops.parse([*arguments]))


@pytest.mark.runs("python setup_mlops.py --input tickets.csv --text-column text --label-column category")
def test_new_data_is_not_scored_on_the_test_split_of_the_old(root):
    (root / "mine.csv").touch()
    (root / "official.csv").touch()
    none, no_feedback = "prepare.test_input=data/raw/none", "prepare.feedback_input=data/raw/none"
    assert parameters() == []
    assert parameters("--text-column", "Document") == ["prepare.text_column=Document"]
    assert parameters("--input", "mine.csv") == ["prepare.input=mine.csv", none, no_feedback]
    assert parameters("--test-input", "none") == [none]
    with_split = parameters("--input", "mine.csv", "--test-input", "official.csv", "--label-column", "test")
    assert sorted(with_split) == [
        no_feedback,
        "prepare.input=mine.csv",
        "prepare.label_column=test",
        "prepare.test_input=official.csv",
    ]


def test_the_sample_can_be_chosen_again_before_it_exists(root):
    assert parameters("--input", setup_mlops.SAMPLE)[0] == f"prepare.input={setup_mlops.SAMPLE}"


@pytest.mark.parametrize(("source", "made"), [(setup_mlops.SAMPLE, True), ("data/raw/mine.csv", False)])
def test_the_sample_is_made_only_when_it_is_what_the_pipeline_reads(root, calls, source, made):
    shutil.copytree(ROOT / "scripts", root / "scripts", dirs_exist_ok=True)
    (root / "params.yaml").write_text(f"prepare:\n  input: {source} # a comment\n")
    assert setup_mlops.make_sample(Venv(Path(sys.prefix))) == 0
    assert bool(calls) == made


def test_tickets_that_are_there_are_left_alone(root, calls):
    (root / setup_mlops.SAMPLE).parent.mkdir(parents=True)
    (root / setup_mlops.SAMPLE).touch()
    assert setup_mlops.make_sample(Venv(root / ".venv")) == 0
    assert calls == []


@pytest.mark.parametrize(
    ("content", "assignment", "message"),
    [
        ("train:\n  C: 1.0\n", "train.C=[1,", "'[1,' is not valid YAML"),
        ("train:\n  C: &c 1.0\n  D: *c\n", "train.C=2", "change it in an editor"),
        ("train: [", "train.C=2", "is not valid YAML"),
    ],
)
def test_what_cannot_be_set_in_place_leaves_params_yaml_as_it_was(root, capsys, content, assignment, message):
    (root / "params.yaml").write_text(content)
    assert set_parameters.main([assignment]) == 2
    assert message in capsys.readouterr().err
    assert (root / "params.yaml").read_text() == content


def test_a_parameter_that_has_the_value_already_is_not_written(root, capsys):
    (root / "params.yaml").write_bytes(b"train:\r\n  C: 0.50 # a comment\r\n")
    before = (root / "params.yaml").stat().st_mtime_ns
    assert set_parameters.main(["train.C=0.5"]) == 0
    assert (root / "params.yaml").stat().st_mtime_ns == before
    assert set_parameters.main(["train.C=2"]) == 0
    assert (root / "params.yaml").read_bytes() == b"train:\r\n  C: 2 # a comment\r\n"


# The pipeline


def test_dvc_is_told_when_there_is_no_git_and_again_when_there_is(root, calls, capsys):
    venv = Venv(root / ".venv")
    assert setup_mlops.match_git(venv) == 0
    (root / ".dvc").mkdir()
    (root / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n")
    assert setup_mlops.match_git(venv) == 0
    assert "`dvc exp run`" in capsys.readouterr().err
    (root / ".git").mkdir()
    assert setup_mlops.match_git(venv) == 0
    assert calls == ["-m dvc config --local core.no_scm true", "-m dvc config --local --unset core.no_scm"]


def test_a_failed_pipeline_passes_its_exit_code_on_and_shows_no_old_metrics(root, installed, calls, capsys):
    (root / setup_mlops.SAMPLE).parent.mkdir(parents=True)
    (root / setup_mlops.SAMPLE).touch()
    calls.codes = {"repro": 253}
    assert setup_mlops.main([]) == 253
    assert capsys.readouterr().out == ""


def test_what_to_try_next_fits_a_copy_without_git(root):
    venv = Venv(root / ".venv")
    without_git = setup_mlops.next_steps(venv)
    (root / ".git").mkdir()
    assert "exp run" in setup_mlops.next_steps(venv)
    assert "exp run" not in without_git


def test_commands_end_as_in_a_shell_and_quiet_ones_speak_when_they_fail(root, capsys):
    def call(code, **options):
        return setup_mlops.call(sys.executable, "-c", code, venv=Venv(root / ".venv"), **options)

    assert call("print('fine')", quiet=True) == 0
    assert capsys.readouterr().err == ""
    assert call("import sys; print('on stdout'); sys.exit('on stderr')", quiet=True) == 1
    assert "on stdout" in (shown := capsys.readouterr().err) and "on stderr" in shown
    if os.name != "nt":
        assert call("import os; os.kill(os.getpid(), 9)") == 137


def test_stages_find_the_environment_first(root, capfd):
    code = "import os; print(os.environ['PATH'].split(os.pathsep)[0])"
    assert setup_mlops.call(sys.executable, "-c", code, venv=Venv(root / ".venv"), stdout=1) == 0
    assert capfd.readouterr().out.strip() == str(Venv(root / ".venv").programs)


# The checks


@pytest.mark.runs("python setup_mlops.py test")
def test_checks_stop_at_the_first_that_fails(root, installed, calls, capsys):
    calls.codes = {"flake8": 1}
    assert setup_mlops.main(["test"]) == 1
    assert [command.split()[1] for command in calls] == ["venv", "black", "flake8"]
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()[-2:]] == ["passed", "FAILED"]


def test_arguments_after_test_go_to_pytest(root, installed, calls):
    arguments = ["-k", "prepare", "-m", "not slow", "--lf", "tests/test_basic.py"]
    assert setup_mlops.main(["--venv", "elsewhere", "test", *arguments]) == 0
    assert calls[-1] == "-m pytest " + " ".join(arguments)


def test_bandit_is_not_run_on_a_folder_without_python(root):
    assert setup_mlops.bandit()[-2:] == ["-r", "scripts"]
    (root / "benchmarks").mkdir()
    (root / "benchmarks" / "notes.txt").touch()
    with pytest.raises(setup_mlops.UserError, match="benchmarks"):
        setup_mlops.bandit()


# All of it


@pytest.mark.runs("python setup_mlops.py")
@pytest.mark.slow
def test_a_tarball_becomes_a_trained_model_in_one_command_and_a_second_run_does_nothing(tmp_path):
    """The only test that needs the package index; without a network it is skipped, though never in CI."""
    folder = tmp_path / "callcenter"
    unpack(folder)
    sample = [sys.executable, "scripts/make_sample_tickets.py", setup_mlops.SAMPLE, "--tickets", "600", "--force"]
    subprocess.run(sample, cwd=folder, check=True)
    hidden = ("MLFLOW_", "COV_", "COVERAGE_", "DVC_")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}

    def set_up() -> subprocess.CompletedProcess:
        command = [sys.executable, "setup_mlops.py"]
        return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True)

    first = set_up()
    if "the packages could not be installed" in first.stderr and not os.environ.get("CI"):
        pytest.skip("the package index cannot be reached")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("600 tickets read: ")
    assert "accuracy" in first.stdout and "Try next" in first.stdout
    assert "Running stage 'train_tfidf'" in first.stderr
    second = set_up()
    assert second.returncode == 0, second.stderr
    assert "nothing to install" in second.stderr
    assert "Running stage" not in second.stderr
    assert second.stdout == first.stdout
