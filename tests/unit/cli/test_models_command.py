"""`mien models`: what ships, under which terms, and whether it is intact."""

import pytest

from mien.detect import detectors
from mien.errors import ChecksumError
from mien.models import card_text, find_spec, load_manifest


def test_every_model_stands_on_a_line_with_size_licence_and_answers(cli):
    result = cli("models", "list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for line, (name, spec) in zip(
        [line for line in lines if line], load_manifest().items(), strict=True
    ):
        assert line.split()[0] == name
        assert " MB " in line
        assert spec.license in line
        assert all(head in line for head in spec.heads)
    assert f"detectors (--detector): {', '.join(detectors)}" in result.stderr


@pytest.mark.parametrize("name", sorted(load_manifest()))
def test_everything_known_about_a_model(cli, name):
    result = cli("models", "info", name)
    assert result.exit_code == 0
    spec = find_spec(name)
    for part in (spec.sha256, spec.license, spec.source, spec.file, card_text(spec).strip()):
        assert part in result.stdout
    for head, details in spec.heads.items():
        assert f"answers   {head}: " in result.stdout
        for age, low, high in details.interval_by_age:
            assert f"interval at {age:g} years: levels {low:g} to {high:g}\n" in result.stdout


def test_labels_are_named_when_there_are_few(cli):
    lines = [
        line
        for name in load_manifest()
        for line in cli("models", "info", name).stdout.splitlines()
        if line.startswith("answers")
    ]
    assert all(len(line) < 200 for line in lines)


def test_an_unknown_model_gets_a_hint(cli):
    result = cli("models", "info", "yunett")
    assert result.exit_code == 2
    assert "Did you mean 'yunet'?" in result.stderr


def test_sound_files_are_verified(cli):
    result = cli("models", "verify")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows == [[name, "ok", spec.sha256] for name, spec in load_manifest().items()]
    assert len({line.index(" ok ") for line in result.stdout.splitlines()}) == 1  # one column


def test_a_damaged_file_is_named_and_the_others_are_checked_all_the_same(cli, monkeypatch):
    def check(spec):
        if spec.name == "yunet":
            raise ChecksumError("yunet.onnx: SHA-256 is 00, the manifest says 99")

    monkeypatch.setattr("mien.models.verified_path", check)
    result = cli("models", "verify")
    assert result.exit_code == 2
    assert result.stderr.split() == (
        ["yunet", "yunet.onnx:", "SHA-256", "is", "00,", "the", "manifest", "says", "99"]
    )
    assert result.stdout.count(" ok ") == len(load_manifest()) - 1
