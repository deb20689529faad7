"""etc/airflow: the DAG does what it says. With Airflow itself, if there is one; else with what it uses of it, made up.

    python3 -m venv AIRFLOW && AIRFLOW/bin/pip install 'apache-airflow>=3,<4' apache-airflow-providers-{amazon,databricks}
    PINFEED_TEST_AIRFLOW=AIRFLOW/bin/python make integration PYTEST_ARGS='-n0 -k airflow'
"""

import json
import os
import subprocess
import sys

import pytest

from rig import paths

DAG = paths.ROOT / "etc" / "airflow" / "pinfeed_backfill.py"

# Prints each task: its class, what it waits for, and the command that it runs, if it does.
REAL = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
dag = bag.dags["pinfeed_backfill"]
print(json.dumps({t.task_id: [type(t).__name__, sorted(t.upstream_task_ids),
      getattr(t, "run_command_kwargs", {}).get("Parameters", {}).get("commands")] for t in dag.tasks}))
"""

MADE_UP = """
import json, runpy, sys, types
tasks = {}
class Task:
    def __init__(self, *, task_id, run_command_kwargs={}, **more):
        self.task_id, self.after = task_id, []
        tasks[task_id] = [type(self).__name__, self.after, run_command_kwargs.get("Parameters", {}).get("commands")]
    def __rshift__(self, other):
        other.after.append(self.task_id)
        return other
class SsmRunCommandOperator(Task): pass
class DatabricksSubmitRunOperator(Task): pass
class DAG:
    def __init__(self, *, dag_id, **more): assert dag_id == "pinfeed_backfill"
    def __enter__(self): return self
    def __exit__(self, *unused): pass
for name, value in {"airflow.sdk": DAG, "airflow.providers.amazon.aws.operators.ssm": SsmRunCommandOperator,
                    "airflow.providers.databricks.operators.databricks": DatabricksSubmitRunOperator}.items():
    parts = name.split(".")
    for i in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
    setattr(sys.modules[name], value.__name__, value)
runpy.run_path(sys.argv[1])
print(json.dumps(tasks))
"""


def _tasks(python, program, directory):
    ran = subprocess.run([python, "-c", program, DAG], capture_output=True, text=True, cwd=directory, timeout=300, check=False,
                         env={"PATH": os.environ["PATH"], "HOME": str(directory), "AIRFLOW_HOME": str(directory),
                              "AIRFLOW__CORE__LOAD_EXAMPLES": "False"})
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("real", [True, False], ids=["airflow", "made up"])
def test_the_dag_replays_verifies_and_then_runs_the_notebook(tmp_path, real):
    python = os.environ.get("PINFEED_TEST_AIRFLOW")
    if real and not python:
        pytest.skip("PINFEED_TEST_AIRFLOW is not set: no Airflow to import it with")
    tasks = _tasks(python, REAL, tmp_path) if real else _tasks(sys.executable, MADE_UP, tmp_path)
    assert {name: task[:2] for name, task in tasks.items()} == {
        "replay": ["SsmRunCommandOperator", []],
        "verify": ["SsmRunCommandOperator", ["replay"]],
        "notebook": ["DatabricksSubmitRunOperator", ["verify"]],
    }
    assert tasks["replay"][2][0].startswith("systemctl start --wait pinfeed-replay ||")
    assert tasks["verify"][2] == ["pinfeed --verify"]
