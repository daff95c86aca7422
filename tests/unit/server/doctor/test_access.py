from __future__ import annotations

from server.doctor.access import check_access
from server.doctor.finding import Grade
from tests.harness.tokens import write_access


def test_without_a_file_it_says_who_may_do_everything_and_how_to_say_so_on_purpose(tmp_path):
    assert check_access(None, "127.0.0.1").grade is Grade.OK
    found = check_access(None, "0.0.0.0")
    assert found.grade is Grade.WARNING
    path = tmp_path / "a.yaml"
    path.write_text(found.advice.split("`")[1])
    assert check_access(path, "0.0.0.0").grade is Grade.OK


def test_a_file_that_others_may_write_is_worth_a_word(tmp_path):
    path = write_access(tmp_path / "a.yaml")
    path.chmod(0o666)
    found = check_access(path, "127.0.0.1")
    assert found.grade is Grade.WARNING
    assert "chmod go-w" in found.advice


def test_a_file_is_told_by_its_tokens_and_what_is_for_all(tmp_path):
    found = check_access(write_access(tmp_path / "a.yaml", anonymous=("infer",)), "127.0.0.1")
    assert (found.grade, found.text) == (Grade.OK, "4 tokens; without one: infer")
    assert found.details == {"tokens": 4, "anonymous": ["infer"]}


def test_a_file_that_lets_nobody_in_is_worth_a_word(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("tokens: []")
    assert check_access(path, "0.0.0.0").grade is Grade.WARNING


def test_a_wrong_file_is_a_problem_with_the_place(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("tokens: [x]")
    found = check_access(path, "127.0.0.1")
    assert found.grade is Grade.PROBLEM
    assert "tokens[0]" in found.text
