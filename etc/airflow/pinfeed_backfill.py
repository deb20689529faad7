"""Every day what is new: pinfeed's replay on the EC2 instance, a proof that it arrived, and the notebook then.

For Airflow 3 (and 2.10, whose `DAG` is in `airflow`), with apache-airflow-providers-amazon and -databricks. Put it into the
folder of DAGs and set these Variables:

    pinfeed_instance    i-0123456789abcdef0: the instance beside the cluster, with the SSM agent
    pinfeed_cluster     the Databricks cluster, such as 1108-162752-8okw8dgg
    pinfeed_notebook    the notebook's path, such as /Users/me@example.com/batch

The connection aws_default needs ssm:SendCommand (on the instance and on the document AWS-RunShellScript) and
ssm:GetCommandInvocation; nothing of Kafka or MySQL: the instance's own role has that. Use this or pinfeed-replay.timer, not
both; with pinfeed-follow the first task would stop it, so leave that task out.
"""

from datetime import datetime, timedelta

from airflow.providers.amazon.aws.operators.ssm import SsmRunCommandOperator
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG

MOST = timedelta(hours=4)


def on_the_instance(task_id, command):
    """The command as root on the instance; its exit code decides."""
    return SsmRunCommandOperator(
        task_id=task_id,
        document_name="AWS-RunShellScript",
        run_command_kwargs={
            "InstanceIds": ["{{ var.value.pinfeed_instance }}"],
            "Parameters": {"commands": [command], "executionTimeout": [str(int(MOST.total_seconds()))]},
        },
        waiter_delay=15,
        waiter_max_attempts=int(MOST.total_seconds()) // 15,
    )


with DAG(
    dag_id="pinfeed_backfill",
    description="New rows from MySQL to Kafka, proven, then the notebook",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,              # a replay sends all that is new, whichever day it is for
    max_active_runs=1,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
):
    # Goes on where the last one came to, so trying again doubles nothing. The journal has what it said.
    replay = on_the_instance(
        "replay",
        "systemctl start --wait pinfeed-replay || { journalctl -u pinfeed-replay -n 20 --no-pager; exit 1; }")
    # Fails when a topic is not its table: a row is missing, doubled or altered.
    verify = on_the_instance("verify", "pinfeed --verify")
    notebook = DatabricksSubmitRunOperator(
        task_id="notebook",
        databricks_conn_id="databricks_default",
        existing_cluster_id="{{ var.value.pinfeed_cluster }}",
        notebook_task={"notebook_path": "{{ var.value.pinfeed_notebook }}"},
    )
    replay >> verify >> notebook
