"""Repositories looked at again and again: copies under way, changes in place, what goes away."""

import os
import shutil
from pathlib import Path

import pytest

from server.repository import files, local
from server.repository.errors import RepositoryError
from server.repository.local import ScanMemory, locate, scan, verify_version
from server.repository.manifest import Manifest, ManifestFile, render
from server.repository.roots import Root

QUIET = 2.0


class Repository:
    """A repository that is looked at with a clock of our own."""

    def __init__(self, *roots):
        self.roots = roots
        self.root = roots[0]
        self.memory = ScanMemory()

    def put(self, name, content=b"x", at=0):
        path = self.roots[at] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def look(self, now=None):
        """What is seen `now` seconds after the newest change, long after it where left out."""
        now = 1e6 if now is None else now
        return scan(self.roots, now=self.newest() + now, quiet_period=QUIET, memory=self.memory)

    def model(self, now=None, name="m"):
        return self.look(now).models[name]

    def newest(self):
        found = [step for root in self.roots for step in os.walk(root)]
        paths = [Path(here, name) for here, folders, names in found for name in folders + names]
        return max((path.lstat().st_ctime_ns / 1e9 for path in paths), default=0.0)


@pytest.fixture
def repository(tmp_path):
    roots = tmp_path.resolve() / "one", tmp_path.resolve() / "two"
    for root in roots:
        root.mkdir()
    return Repository(*roots)


def manifest(**contents):
    listed = {name: ManifestFile(size, "0" * 64) for name, size in contents.items()}
    return render(Manifest(listed)).encode()


def test_a_slow_copy_is_not_offered_until_it_is_quiet(repository):
    repository.put("m/1/model.onnx", b"gra")
    early = repository.model(now=1.0)
    assert (early.versions, list(early.incomplete)) == ((), [1])
    repository.put("m/1/model.onnx", b"graph")
    assert repository.model(now=1.9).versions == ()
    repository.put("m/1/weights.bin")
    assert repository.model(now=1.9).incomplete == {1: "it changed less than 2 s ago"}
    whole = repository.model(now=2.0)
    assert (whole.versions, whole.incomplete, whole.due) == ((1,), {}, None)


def test_an_incomplete_version_says_when_to_look_again(repository):
    repository.put("m/1/model.pt")
    repository.put("other/1/model.pt")
    listing = repository.look(now=0.5)
    assert listing.due == min(entry.due for entry in listing.models.values())
    assert listing.due <= repository.newest() + QUIET


def test_a_version_that_is_already_old_at_start_is_offered_at_once(repository):
    repository.put("m/1/model.pt")
    assert repository.model(now=60).versions == (1,)


def test_a_version_renamed_into_place_is_offered_at_once(repository):
    repository.put("m/.copying/model.pt")
    repository.put("m/.copying/assets/x")
    written = repository.newest()
    (repository.root / "m/.copying").rename(repository.root / "m/1")
    listing = scan(
        repository.roots, now=written + QUIET, quiet_period=QUIET, memory=repository.memory
    )
    assert listing.models["m"].versions == (1,)


def test_times_preserved_by_a_copy_do_not_make_it_look_old(repository):
    os.utime(repository.put("m/1/model.pt"), (1, 1))
    assert repository.model(now=1.0).versions == ()


def test_files_with_times_in_the_future_are_offered_after_a_quiet_period_of_ours(repository):
    repository.put("m/1/model.pt")
    assert repository.model(now=-5000).versions == ()
    assert repository.model(now=-4999).versions == ()
    assert repository.model(now=-4998).versions == (1,)


def test_a_manifest_decides_at_once_and_alone(repository):
    repository.put("m/1/manifest.json", manifest(**{"model.pt": 5, "b.tmp": 1}))
    repository.put("m/1/model.pt", b"123")
    assert "'b.tmp', which manifest.json names, is not there" in repository.model().incomplete[1]
    repository.put("m/1/b.tmp")
    assert "'model.pt' has 3 bytes" in repository.model().incomplete[1]
    repository.put("m/1/model.pt", b"12345")
    assert repository.model(now=0).versions == (1,)


def test_a_torn_manifest_holds_the_version_back_however_long(repository):
    repository.put("m/1/model.pt")
    repository.put("m/1/manifest.json", manifest(**{"model.pt": 1})[:-9])
    assert "not all of it is there yet" in repository.model().incomplete[1]
    repository.put("m/1/manifest.json", manifest(**{"model.pt": 1}))
    assert repository.model().versions == (1,)


def test_a_version_that_is_not_what_its_manifest_says_is_found_before_loading(repository):
    repository.put("m/1/model.pt")
    repository.put("m/1/manifest.json", manifest(**{"model.pt": 1}))
    assert "does not have the SHA-256" in verify_version(repository.model(), 1)


def test_an_empty_version_is_not_offered_unless_it_needs_no_files(repository):
    (repository.root / "m/1").mkdir(parents=True)
    assert repository.model().incomplete == {1: "it holds no files"}
    repository.put("m/model.yaml", b"runtime: echo")
    assert repository.model().versions == (1,)


def test_a_change_in_place_is_told_by_the_fingerprint(repository):
    repository.put("m/1/model.pt")
    repository.put("m/2/model.pt")
    before = repository.model()
    repository.put("m/1/model.pt", b"other")
    after = repository.model(now=0.1)
    assert after.fingerprints[1] != before.fingerprints[1]
    assert after.fingerprints[2] == before.fingerprints[2]


def test_a_loaded_version_that_changes_in_place_stays_a_candidate(repository):
    repository.put("m/1/model.pt")
    repository.put("m/2/model.pt")
    repository.model()
    repository.put("m/2/model.pt", b"other")
    changing = scan(
        repository.roots, now=repository.newest(), quiet_period=QUIET, memory=repository.memory
    ).models["m"]
    assert changing.versions == (1,)
    assert changing.candidates(()) == (1,)
    assert changing.candidates((1, 2)) == (1, 2)
    assert changing.candidates((2, 3)) == (1, 2)


def test_a_backup_of_a_whole_version_does_not_make_it_incomplete_for_long(repository):
    path = repository.put("m/1/model.pt")
    before = repository.model()
    path.chmod(0o600)
    assert repository.model(now=0.0).fingerprints == before.fingerprints
    assert repository.model(now=2.0).versions == (1,)


def test_the_size_of_a_version_is_that_of_its_files(repository):
    repository.put("m/1/saved_model.pb", b"12")
    repository.put("m/1/variables/x", b"345")
    repository.put("m/1/manifest.json", manifest(**{"saved_model.pb": 2, "variables/x": 3}))
    assert repository.model().sizes == {1: 5}


def test_removed_versions_and_models_are_gone(repository):
    for name in ("m/1/model.pt", "m/2/model.pt", "other/1/model.pt"):
        repository.put(name)
    assert set(repository.look().models) == {"m", "other"}
    shutil.rmtree(repository.root / "other")
    shutil.rmtree(repository.root / "m/1")
    listing = repository.look()
    assert set(listing.models) == {"m"}
    assert listing.models["m"].versions == (2,)


def test_of_a_repository_that_is_gone_for_a_while_nothing_is_removed(repository):
    repository.put("m/1/model.pt")
    repository.put("n/1/model.pt", at=1)
    before = repository.look()
    repository.root.rename(repository.root.with_name("away"))
    repository.put("n/2/model.pt", at=1)
    gone = repository.look()
    assert gone.models["m"] == before.models["m"]
    assert gone.models["n"].versions == (1, 2)
    assert gone.unreachable == {1: "model repository 1 does not exist"}
    repository.root.with_name("away").rename(repository.root)
    repository.put("m/2/model.pt")
    back = repository.look()
    assert back.models["m"].versions == (1, 2)
    assert back.unreachable == {}


def test_a_repository_that_lost_its_file_system_is_not_taken_for_empty(repository):
    repository.put("m/1/model.pt")
    repository.look()
    shutil.move(repository.root, repository.root.with_name("away"))
    repository.root.mkdir()
    for _ in range(2):
        gone = repository.look()
        assert gone.models["m"].versions == (1,)
        assert "is another folder now and holds no model" in gone.unreachable[1]
    repository.root.rmdir()
    repository.root.with_name("away").rename(repository.root)
    assert repository.look().unreachable == {}


def test_a_repository_that_was_emptied_is_empty(repository):
    repository.put("m/1/model.pt")
    repository.look()
    shutil.rmtree(repository.root / "m")
    listing = repository.look()
    assert (listing.models, listing.unreachable) == ({}, {})


def test_at_the_first_look_a_missing_repository_is_an_error(repository):
    repository.root.rmdir()
    with pytest.raises(RepositoryError, match="model repository 1 does not exist"):
        repository.look()


def test_a_model_that_cannot_be_listed_stays_as_it_was(repository, monkeypatch):
    repository.put("m/1/model.pt")
    before = repository.model()
    real = files.os.scandir

    def failing(folder):
        if str(folder).endswith("/m"):
            raise OSError(5, "Input/output error")
        return real(folder)

    monkeypatch.setattr(files.os, "scandir", failing)
    after = repository.model()
    assert (after.settings, after.versions) == (before.settings, before.versions)
    assert after.unreachable == "m cannot be read: Input/output error"
    monkeypatch.undo()
    assert repository.model() == before


def test_a_version_that_cannot_be_read_is_still_there(repository, monkeypatch):
    repository.put("m/1/model.pt")
    repository.model()
    real = files.os.scandir

    def failing(folder):
        if str(folder).endswith("/1"):
            raise OSError(5, "Input/output error")
        return real(folder)

    monkeypatch.setattr(files.os, "scandir", failing)
    entry = repository.model()
    assert entry.incomplete == {1: "m/1 cannot be read: Input/output error"}
    assert entry.candidates((1,)) == (1,)


def test_a_model_removed_while_it_is_looked_at_is_gone(repository, monkeypatch):
    repository.put("m/1/model.pt")
    repository.put("n/1/model.pt")
    repository.look()
    real = local.model_folder.read_model

    def removing(root, name, look, number):
        if name == "m":
            shutil.rmtree(root / "m")
        return real(root, name, look, number)

    monkeypatch.setattr(local.model_folder, "read_model", removing)
    assert set(repository.look().models) == {"n"}


def test_a_model_of_an_unreachable_repository_still_shadows_another(repository):
    repository.put("m/1/model.pt")
    repository.put("m/7/model.pt", at=1)
    repository.look()
    repository.root.rename(repository.root.with_name("away"))
    listing = repository.look()
    assert listing.models["m"].versions == (1,)
    assert [entry.repository for entry in listing.shadowed] == [2]


def test_broken_settings_do_not_hide_the_versions(repository):
    repository.put("m/1/model.pt")
    repository.put("m/model.yaml", b"threads: 1")
    before = repository.model()
    repository.put("m/model.yaml", b"threads: many")
    after = repository.model()
    assert after.settings is None
    assert "threads: expected an integer" in after.error
    assert after.versions == (1,)
    assert after.settings_fingerprint != before.settings_fingerprint


def test_samples_are_listed_by_absolute_path_in_order(repository):
    for name in ("b.json", "a.npz", "C.NPZ", "note.txt", ".hidden.npz", "sub.npz/x"):
        repository.put(f"m/warmup/{name}")
    repository.put("m/golden/one.npz")
    repository.put("m/golden/two.json")
    entry = repository.model()
    folder = repository.root / "m"
    assert entry.warmup_files == tuple(
        str(folder / "warmup" / name) for name in ("C.NPZ", "a.npz", "b.json")
    )
    assert entry.golden_files == (str(folder / "golden/one.npz"),)
    assert entry.ignored == ()


def test_a_sample_linked_out_of_the_repository_stops_the_model(repository):
    repository.put("m/1/model.pt")
    (repository.root / "m/golden").mkdir()
    (repository.root / "m/golden/a.npz").symlink_to("/etc/hostname")
    entry = repository.model()
    assert entry.settings is None
    assert entry.error == "m/golden/a.npz leads outside the model repository"
    with pytest.raises(RepositoryError):
        locate(entry, 1)


def test_of_very_many_samples_the_first_are_used_and_it_is_said(repository):
    for number in range(70):
        repository.put(f"m/warmup/{number:02}.npz")
    entry = repository.model()
    assert len(entry.warmup_files) == 64
    assert entry.ignored == ("warmup: only the first 64 samples are used",)


def test_the_memory_keeps_nothing_of_what_is_gone(repository):
    repository.put("m/1/model.pt")
    repository.look()
    shutil.rmtree(repository.root / "m")
    repository.look()
    assert repository.memory.sights._seen == {}
    assert repository.memory.settings._kept == {}
    assert all(isinstance(root, Root) for root in repository.memory.roots.values())
