"""What a run folder must never hold: keys, passwords, what is in the environment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from powerlab.agent import facts
from powerlab.store.archive import list_runs

SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI-made-up",
    "SSH_AUTH_SOCK": "/tmp/made-up-agent.sock",
    "BOARD_PASSWORD": "made up, correct horse",
}
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nbWFkZSB1cA\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch, lab: Path) -> list[str]:
    """Put secrets where programs find them: the environment, and a key that a bench names."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    (lab / "id_board").write_text(KEY)
    text = (lab / "powerlab.toml").read_text()
    named = 'host = "nowhere"\nidentity_file = "id_board"'
    (lab / "powerlab.toml").write_text(text.replace('host = "nowhere"', named))
    return [*SECRETS.values(), "bWFkZSB1cA"]


def test_no_secret_reaches_a_run_folder(measure, conductor, lab, secrets):
    """Nor the answer, nor the messages: a bench names its key and does not hold it."""
    ran = measure("--json")
    assert ran.code == 0
    assert conductor.jobs[0].bench.identity_file == str(lab / "id_board")
    (entry,) = list_runs(lab / "runs")
    written = [path.read_bytes() for path in entry.folder.rglob("*") if path.is_file()]
    assert len(written) > 3
    for text in (ran.out.encode(), ran.err.encode(), *written):
        for secret in secrets:
            assert secret.encode() not in text


def test_no_secret_is_among_the_facts_of_a_board(secrets):
    """The agent tells of its machine, not of its user's environment."""
    told = json.dumps(facts.describe())
    assert not [secret for secret in secrets if secret in told]
