"""A certificate that clients will refuse, or soon, is told before the server starts."""

from __future__ import annotations

import datetime
import os

import pytest
import trustme

from server.doctor.certificate import (
    SOON,
    check_certificate,
    judge_key_mode,
    judge_names,
    judge_validity,
)
from server.doctor.finding import Grade
from server.tls.facts import CertificateFacts, facts_of
from server.tls.files import TlsFiles
from tests.harness.tls import Secret

FACTS = CertificateFacts(("localhost",), 1000.0, 1000.0 + 30 * SOON)


@pytest.fixture
def secret(tmp_path) -> Secret:
    made = Secret(tmp_path / "secret")
    made.issue(trustme.CA())
    return made


def files(secret: Secret) -> TlsFiles:
    return TlsFiles(str(secret.certificate), str(secret.key))


@pytest.mark.parametrize(
    ("now", "grade", "text"),
    [
        (999.0, Grade.PROBLEM, "it is not valid before 1970-01-01 00:16 UTC"),
        (1000.0, Grade.OK, "it fits its key and is valid until 1970-07-30 00:16 UTC"),
        (1000.0 + 29 * SOON, Grade.OK, "it fits its key"),
        (1001.0 + 29 * SOON, Grade.WARNING, "it fits its key"),
        (FACTS.expires_at, Grade.PROBLEM, "it expired on 1970-07-30 00:16 UTC; clients refuse it"),
    ],
)
def test_how_long_it_is_valid_decides(now, grade, text):
    found = judge_validity(FACTS, now)

    assert (found.grade, bool(found.advice)) == (grade, grade is not Grade.OK)
    assert found.text.startswith(text)


def test_without_names_no_client_will_take_it():
    assert judge_names(CertificateFacts((), 0.0, 1.0)).grade is Grade.WARNING
    found = judge_names(CertificateFacts(("a.example", "127.0.0.1"), 0.0, 1.0))
    assert (found.grade, found.text) == (Grade.OK, "clients may call it a.example, 127.0.0.1")


@pytest.mark.parametrize(
    ("mode", "grade"),
    [(0o100600, Grade.OK), (0o100640, Grade.OK), (0o100644, Grade.WARNING),
     (0o100602, Grade.WARNING)],
)  # fmt: skip
def test_a_key_is_not_for_everybody(mode, grade):
    found = judge_key_mode("/x/tls.key", mode)

    assert found.grade is grade
    assert found.advice == ("" if grade is Grade.OK else "`chmod o= /x/tls.key`")


def test_what_is_good_is_told_with_all_there_is(secret):
    found = {one.name: one for one in check_certificate(files(secret), now=0.0)}

    assert found.keys() == {"certificate", "names", "key", "clients"}
    assert found["clients"].text == "clients need no certificate"
    assert found["names"].details == {"names": ["localhost", "127.0.0.1"]}


def test_what_does_not_fit_is_the_one_problem(secret):
    other = trustme.CA().issue_cert("localhost")
    secret.put(secret.certificate.read_bytes(), other.private_key_pem.bytes())

    (found,) = check_certificate(files(secret), now=0.0)

    assert found.grade is Grade.PROBLEM
    assert "does not fit the first certificate" in found.text


def test_the_facts_are_those_of_the_first_certificate_of_a_chain():
    authority = trustme.CA()
    end = datetime.datetime(2040, 5, 6, 7, 8, tzinfo=datetime.UTC)
    issued = authority.issue_cert("a.example", "::1", not_after=end)
    chain = issued.cert_chain_pems[0].bytes() + authority.cert_pem.bytes()

    facts = facts_of(chain)

    assert facts.names == ("a.example", "::1")
    assert facts.expires_at == end.timestamp()
    assert facts.begins_at < facts.expires_at


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_key_that_may_not_be_read_is_a_problem(secret):
    secret.key.chmod(0)

    (found,) = check_certificate(files(secret), now=0.0)

    assert found.text.endswith("cannot be read: Permission denied")
