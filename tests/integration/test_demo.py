"""The demo tells the truth and leaves nothing behind."""

import os
import subprocess

from rig import paths


def test_the_demo_ends_well_and_leaves_nothing(tmp_path):
    env = {**os.environ, "PINFEED": str(paths.binary().resolve()), "TMPDIR": str(tmp_path)}
    done = subprocess.run([paths.ROOT / "scripts" / "demo", "--seconds", "2"], stdin=subprocess.DEVNULL, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert "every record equals its row" in done.stdout
    assert "rejected 1 (wrong signature)" in done.stdout
    assert "\033" not in done.stdout    # no colours into a pipe
    assert [p for p in tmp_path.iterdir() if p.name.startswith("pinfeed-")] == []
