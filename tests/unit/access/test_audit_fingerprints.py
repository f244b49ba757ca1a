"""The names of configurations in the audit log."""

import subprocess
import sys
from dataclasses import replace

from bff.access.auditing.fingerprints import configuration_fingerprint, section_fingerprints
from bff.config.settings import KeysSettings, Secret, ServerSettings
from tests.internet import make_settings

PROGRAM = """
from bff.access.auditing.fingerprints import configuration_fingerprint, section_fingerprints
from tests.internet import make_settings
print(configuration_fingerprint(section_fingerprints(make_settings())))
"""


def test_same_configuration_has_the_same_name_in_every_process():
    """Whatever order a process hashes in: a restart is no change."""
    names = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert {configuration_fingerprint(section_fingerprints(make_settings())) + "\n"} == names


def test_table_that_changed_has_another_name_and_the_others_keep_theirs():
    """An auditor sees where to look."""
    before = section_fingerprints(make_settings())
    after = section_fingerprints(replace(make_settings(), server=ServerSettings(workers=3)))

    assert {"server"} == {name for name in before if before[name] != after[name]}
    assert configuration_fingerprint(before) != configuration_fingerprint(after)


def test_secret_is_not_part_of_a_name():
    """A short hash of a weak secret would be a way to guess it; keys have names of their own."""
    other = replace(make_settings(), keys=KeysSettings((Secret("x" * 43),)))

    assert section_fingerprints(make_settings()) == section_fingerprints(other)
