"""However writes, foreign edits, stage moves and kills follow each other, the site says what a dictionary says."""

import re
import subprocess
import sys
from pathlib import Path

from conftest import clean_environment

MACHINE = Path(__file__).with_name("machine.py")


def test_a_site_equals_a_dictionary_whatever_happens_to_it():
    """More of it by hand: python tests/machine.py 400 50 made ten thousand steps and more."""
    done = subprocess.run(
        [sys.executable, MACHINE, "12", "30"], env=clean_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = re.fullmatch(r"(\d+) steps\n", done.stdout)
    assert steps
    assert int(steps[1]) > 100
