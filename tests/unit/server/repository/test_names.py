"""Names of models, versions and files."""

import pytest

from server.repository.names import is_file_name, is_label, is_model_name, parse_version, shown


@pytest.mark.parametrize("name", ["a", "digits-onnx", "_x.1", "A" * 128, "a..b"])
def test_a_plain_model_name_is_accepted(name):
    assert is_model_name(name)


HOSTILE = [
    "",
    ".",
    "..",
    ".hidden",
    "-rf",
    "a/b",
    "../a",
    "/etc",
    "a\\b",
    "a\0b",
    "a\n",
    "a b",
    "a\u2215b",
    "a\uff0fb",
    "\uff0e\uff0e",
    "caf\u00e9",
    "\udcff",
    "a%2fb",
]


@pytest.mark.parametrize("name", [*HOSTILE, "A" * 129])
def test_a_tricky_model_name_is_refused(name):
    assert not is_model_name(name)


@pytest.mark.parametrize("name", [*HOSTILE, "A" * 256])
def test_a_tricky_file_name_is_refused(name):
    assert not is_file_name(name)


@pytest.mark.parametrize("name", ["a", "stable", "canary-2", "B_x", "A" * 64])
def test_a_plain_label_is_accepted(name):
    assert is_label(name)


@pytest.mark.parametrize("name", [*HOSTILE, "A" * 65, "1", "1a", "_a", "a.b"])
def test_a_tricky_label_is_refused(name):
    assert not is_label(name)


@pytest.mark.parametrize(
    ("name", "version"),
    [("1", 1), ("10", 10), (str(2**63 - 1), 2**63 - 1), ("1700000000", 17 * 10**8)],
)
def test_a_canonical_version_is_read(name, version):
    assert parse_version(name) == version


@pytest.mark.parametrize(
    "name",
    [
        "",
        str(2**63),
        "9" * 10_000,
        "0",
        "01",
        "1.0",
        "-1",
        "+1",
        "1e3",
        "1_0",
        " 1",
        "1\n",
        "0x1",
        "v1",
        "\u0661",
        "\u00b2",
    ],
)
def test_any_other_spelling_of_a_version_is_refused(name):
    assert parse_version(name) is None


def test_a_long_strange_name_is_shown_short_and_escaped():
    text = shown("\x1b[31m" + "x" * 1000)
    assert len(text) < 80
    assert "\x1b" not in text
