"""etc/iam: the policies are valid, name just the actions that the code uses, and are enough for what they are for."""

import json
import re

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from rig import Identity, paths
from rig import posts as sample_posts
from rig import sent

IAM = paths.ROOT / "etc" / "iam"
SEND = {"Connect", "WriteDataIdempotently", "DescribeTopic", "WriteData"}
ACTIONS = {
    "emulate": SEND,
    "verify": {"Connect", "DescribeTopic", "ReadData", "DescribeGroup"},
    "create-topics": {"Connect", "DescribeTopic", "CreateTopic"},
    "replay-exactly-once": SEND | {"ReadData", "DescribeTransactionalId", "AlterTransactionalId", "DescribeGroup",
                                   "AlterGroup"},
}
# What --check can do without.
OPTIONAL = {"DescribeTopicDynamicConfiguration"}
# An action -> the kind of resource it is for, and what Kafka's own authorizer calls it.
MEANING = {
    "Connect": ("cluster", None), "WriteDataIdempotently": ("cluster", "IDEMPOTENT_WRITE"),
    "DescribeTopic": ("topic", "DESCRIBE"), "WriteData": ("topic", "WRITE"), "ReadData": ("topic", "READ"),
    "CreateTopic": ("topic", "CREATE"),
    "DescribeTransactionalId": ("transactional-id", "DESCRIBE"), "AlterTransactionalId": ("transactional-id", "WRITE"),
    "DescribeGroup": ("group", "DESCRIBE"), "AlterGroup": ("group", "READ"),
}
KINDS = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "cluster": ResourceType.BROKER,
         "transactional-id": ResourceType.TRANSACTIONAL_ID}


def no_duplicates(pairs):
    assert len({k for k, _ in pairs}) == len(pairs), f"a key is there twice: {pairs}"
    return dict(pairs)


def load(name):
    return json.loads((IAM / f"{name}.json").read_text(), object_pairs_hook=no_duplicates)


def listed(value):
    return [value] if isinstance(value, str) else value


def grants(name):
    """(action, kind of resource, its name) of each pair that the policy allows."""
    for statement in load(name)["Statement"]:
        for resource in listed(statement["Resource"]):
            kind, _, rest = resource.removeprefix("arn:aws:kafka:REGION:ACCOUNT:").partition("/")
            target = rest.removeprefix("CLUSTER_NAME/CLUSTER_UUID").removeprefix("/")
            for action in listed(statement["Action"]):
                yield action.removeprefix("kafka-cluster:"), kind, target


def test_there_are_no_other_policies():
    assert {p.stem for p in IAM.glob("*.json")} == {*ACTIONS, "trust-policy"}


@pytest.mark.parametrize("name", ACTIONS)
def test_a_policy_names_just_the_actions_it_is_for(name):
    policy = load(name)
    assert policy["Version"] == "2012-10-17" and set(policy) == {"Version", "Statement"}
    for statement in policy["Statement"]:
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"}
        assert statement["Effect"] == "Allow"
        assert re.fullmatch("[A-Za-z0-9]+", statement["Sid"])
        for action in listed(statement["Action"]):
            assert re.fullmatch("kafka-cluster:[A-Za-z]+", action), "no wildcards"
        for resource in listed(statement["Resource"]):
            assert re.fullmatch(r"arn:aws:kafka:REGION:ACCOUNT:(cluster|topic|group|transactional-id)/CLUSTER_NAME/"
                                r"CLUSTER_UUID(/[A-Za-z0-9_.*]+)?", resource)
    assert {action for action, _, _ in grants(name)} == ACTIONS[name]
    for action, kind, target in grants(name):
        assert MEANING[action][0] == kind, (action, kind)
        assert (target == "") == (kind == "cluster") and target != "*"


def test_the_policies_and_the_errors_of_pinfeed_name_the_same_actions():
    text = "".join((paths.ROOT / "src" / path).read_text() for path in ("producer/reasons.c", "aws/token.c"))
    assert set(re.findall("kafka-cluster:([A-Za-z]+)", text)) == set().union(OPTIONAL, *ACTIONS.values())


def test_the_trust_policy_is_for_instances_alone():
    policy = load("trust-policy")
    assert policy["Version"] == "2012-10-17"
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "sts:AssumeRole")
    assert statement["Principal"] == {"Service": "ec2.amazonaws.com"}


# ---- on the broker -------------------------------------------------------------------------------------------------

def binding(principal, operation, kind, name):
    prefix = name.endswith("*") and name != "*"
    return AclBinding(KINDS[kind], "kafka-cluster" if kind == "cluster" else name.rstrip("*") if prefix else name,
                      ResourcePatternType.PREFIXED if prefix else ResourcePatternType.LITERAL, f"User:{principal}", "*",
                      AclOperation[operation], AclPermissionType.ALLOW)


@pytest.fixture
def only(kafka):
    """only(policy, user_id, without=()): an identity that may do what the policy says, and nothing else."""
    def make(policy, user_id, without=()):
        identity = kafka.allow(Identity(f"AKIA{user_id.upper()}"), principal=f"role-{user_id}")
        # Somebody else has rights on everything, so that it is no longer open to all.
        bindings = [binding("somebody", "ALL", kind, "*") for kind in KINDS]
        for action, kind, target in grants(policy):
            if MEANING[action][1] and action not in without:
                bindings.append(binding(f"role-{user_id}", MEANING[action][1], kind, target.replace("USER_ID", user_id)))
        for future in kafka.admin().create_acls(bindings).values():
            future.result(10)
        return identity
    yield make
    kafka.allow_everything()


def small(pinfeeds, mariadb, kafka, database, user_id, identity, **settings):
    return pinfeeds(mariadb, kafka, identity, user_id=user_id, database=database,
                    settings={"emulate": {"rate": 100, "posts": 20}, **settings})


@pytest.fixture
def hundred(mariadb, database):
    mariadb.load(sample_posts.sql(100), database)
    return database


def test_emulate_needs_no_more_than_its_policy(pinfeeds, mariadb, kafka, hundred, user_id, only):
    pinfeed = small(pinfeeds, mariadb, kafka, hundred, user_id, only("emulate", user_id))
    sent.create_topics(kafka, pinfeed)
    pinfeed.run().expect_exit(0)
    assert len(sent.posts(sent.records(kafka, pinfeed))) == 20


def test_replay_at_least_once_needs_no_more_than_emulates_policy(pinfeeds, mariadb, kafka, hundred, user_id, only):
    pinfeed = small(pinfeeds, mariadb, kafka, hundred, user_id, only("emulate", user_id), replay={"exactly_once": "no"})
    sent.create_topics(kafka, pinfeed)
    pinfeed.run("--replay").expect_exit(0)
    assert all(len(r) == 100 for r in sent.records(kafka, pinfeed).values())


def test_replay_exactly_once_needs_no_more_than_its_policy(pinfeeds, mariadb, kafka, hundred, user_id, only):
    pinfeed = small(pinfeeds, mariadb, kafka, hundred, user_id, only("replay-exactly-once", user_id))
    sent.create_topics(kafka, pinfeed)
    pinfeed.run("--replay").expect_exit(0)
    pinfeed.run("--replay").expect_exit(0)
    assert all(len(r) == 100 for r in sent.records(kafka, pinfeed).values())


@pytest.mark.parametrize("missing", [None, "ReadData", "DescribeGroup"])
def test_verify_needs_no_more_and_no_less_than_its_policy(pinfeeds, mariadb, kafka, hundred, user_id, only, missing):
    sender = small(pinfeeds, mariadb, kafka, hundred, user_id, None)
    sent.create_topics(kafka, sender)
    sender.run("--replay").expect_exit(0)
    pinfeed = small(pinfeeds, mariadb, kafka, hundred, user_id, only("verify", user_id, without=[missing]))
    pinfeed.run("--verify", "--json").expect_exit(78 if missing else 0)
    if missing:
        assert f"kafka-cluster:{missing}" in pinfeed.log and pinfeed.stdout == ""
        pinfeed.run("--verify", "--json", "--as=replay").expect_exit(78 if missing == "ReadData" else 0)


@pytest.mark.parametrize("policy, said", [
    ("emulate", {"topic.settings": "not_tried", "rights.group": "warn", "rights.transactions": "not_tried"}),
    ("replay-exactly-once", {"topic.settings": "not_tried"}),
])
def test_a_check_passes_with_either_policy_and_says_what_is_missing(pinfeeds, mariadb, kafka, hundred, user_id, only, policy,
                                                                     said):
    pinfeed = small(pinfeeds, mariadb, kafka, hundred, user_id, only(policy, user_id))
    sent.create_topics(kafka, pinfeed)
    pinfeed.run("--check", "--json").expect_exit(0)
    findings = {f["id"]: f["result"] for f in json.loads(pinfeed.stdout)["findings"] if f["id"] != "clock"}
    assert {i: r for i, r in findings.items() if r != "ok"} == said


def test_creating_topics_needs_no_more_than_its_policy(pinfeeds, mariadb, kafka, user_id, only):
    pinfeed = small(pinfeeds, mariadb, kafka, None, user_id, only("create-topics", user_id))
    pinfeed.run("--create-topics").expect_exit(0)
    assert set(pinfeed.topics) <= set(kafka.topics())


@pytest.mark.parametrize("policy, job, missing", [
    ("emulate", [], "WriteData"),
    ("emulate", [], "WriteDataIdempotently"),
    ("create-topics", ["--create-topics"], "CreateTopic"),
    ("replay-exactly-once", ["--replay"], "AlterTransactionalId"),
    ("replay-exactly-once", ["--replay"], "AlterGroup"),
])
def test_a_right_that_is_missing_is_named(pinfeeds, mariadb, kafka, hundred, user_id, only, policy, job, missing):
    pinfeed = small(pinfeeds, mariadb, kafka, hundred, user_id, only(policy, user_id, without=[missing]))
    if policy != "create-topics":
        sent.create_topics(kafka, pinfeed)
    pinfeed.run(*job, deadline_s=60).expect_exit(78)
    assert f"kafka-cluster:{missing}" in pinfeed.log
