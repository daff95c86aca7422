"""A renewal is taken up once it is whole, and what is broken changes nothing."""

from __future__ import annotations

import pytest
import structlog
import trustme

from server.tls import certificates as module
from server.tls.certificates import SAY_AGAIN, Certificates, Refusals, open_certificates
from server.tls.files import TlsFileError, TlsFiles
from tests.harness.tls import Secret


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secret(tmp_path, authority) -> Secret:
    made = Secret(tmp_path / "secret")
    made.issue(authority)
    return made


@pytest.fixture
def certificates(secret) -> Certificates:
    return Certificates(TlsFiles(str(secret.certificate), str(secret.key)))


def test_without_files_there_are_none():
    assert open_certificates(None) is None


def test_a_renewal_is_taken_up_and_told(certificates, secret, authority):
    before, told = certificates.current, []
    certificates.on_renewal(lambda: told.append(certificates.current))

    certificates.look(0.0)
    assert certificates.current is before
    assert told == []

    secret.issue(authority)
    with structlog.testing.capture_logs() as lines:
        certificates.look(1.0)
        certificates.look(2.0)

    assert certificates.current is not before
    assert certificates.current.pems.certificate == secret.certificate.read_bytes()
    assert told == [certificates.current]
    assert [line["event"] for line in lines] == ["certificate renewed"]


def test_renewed_authorities_of_clients_are_taken_up(secret, authority):
    secret.issue(authority, authority)
    both = TlsFiles(str(secret.certificate), str(secret.key), str(secret.client_ca))
    certificates, other = Certificates(both), trustme.CA()

    secret.issue(authority, other)
    certificates.look(0.0)

    assert certificates.current.pems.client_ca == other.cert_pem.bytes()


def test_a_broken_renewal_leaves_the_old_one_in_use_and_is_said_once(
    certificates, secret, authority
):
    before = certificates.current
    whole = authority.issue_cert("localhost")
    other = authority.issue_cert("localhost")
    secret.put(whole.cert_chain_pems[0].bytes(), other.private_key_pem.bytes())

    with structlog.testing.capture_logs() as lines:
        for second in range(60):
            certificates.look(second)
    assert certificates.current is before
    (line,) = lines
    assert line["log_level"] == "error"
    assert "does not fit the first certificate" in line["reason"]

    secret.put(whole.cert_chain_pems[0].bytes(), whole.private_key_pem.bytes())
    certificates.look(61.0)
    assert certificates.current.pems.key == whole.private_key_pem.bytes()


def test_files_that_are_gone_for_a_moment_change_nothing(certificates, secret):
    before, aside = certificates.current, secret.key.with_name("aside")
    secret.key.rename(aside)
    with structlog.testing.capture_logs() as lines:
        certificates.look(0.0)
        aside.rename(secret.key)
        certificates.look(1.0)

    assert certificates.current is before
    assert lines == []


def test_files_that_change_while_they_are_read_are_not_taken(secret, authority, monkeypatch):
    files = TlsFiles(str(secret.certificate), str(secret.key))
    make = module.server_context

    def slow(*arguments, **options):
        secret.issue(authority)
        return make(*arguments, **options)

    monkeypatch.setattr(module, "server_context", slow)
    with pytest.raises(TlsFileError, match="the files are being changed"):
        module.load(files)


def test_the_thread_looks_until_it_is_stopped(certificates, secret, authority, monkeypatch):
    import threading

    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)
    renewed = threading.Event()
    certificates.on_renewal(renewed.set)
    certificates.start()
    secret.issue(authority)

    assert renewed.wait(20)
    certificates.stop()
    names = [one.name for one in threading.enumerate()]
    if "certificates" in names:
        next(one for one in threading.enumerate() if one.name == "certificates").join(20)


# ---- which refusals are said --------------------------------------------------------------------


def test_the_first_of_a_row_is_not_said_and_others_only_from_time_to_time():
    refusals = Refusals()

    said = [at for at in range(2 * int(SAY_AGAIN) + 10) if refusals.is_news(float(at))]

    assert said == [1, 1 + SAY_AGAIN, 1 + 2 * SAY_AGAIN]


def test_what_was_mended_is_said_again_when_it_breaks_again():
    refusals = Refusals()
    assert [refusals.is_news(at) for at in (0.0, 1.0)] == [False, True]

    refusals.mended()

    assert [refusals.is_news(at) for at in (2.0, 3.0)] == [False, True]


def test_whoever_could_not_be_told_of_a_renewal_is_told_at_the_next_look(
    certificates, secret, authority
):
    told = []

    def tell() -> None:
        told.append(certificates.current)
        if len(told) == 1:
            raise OSError("no room")

    certificates.on_renewal(tell)
    secret.issue(authority)
    with pytest.raises(OSError, match="no room"):
        certificates.look(0.0)
    certificates.look(1.0)
    certificates.look(2.0)

    assert told == [certificates.current, certificates.current]
