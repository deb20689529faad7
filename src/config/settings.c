#include "config/settings.h"

#define IN_CONFIG(member) .offset = offsetof(struct config, member)
#define IN_STREAM(member) .offset = offsetof(struct config_stream, member)
#define NAME_CHARACTERS "A-Za-z0-9._-"

const struct settings_section settings_sections[] = {
        { "pinfeed", "Who you are, and how much pinfeed says." },
        { "mysql", "The database that rows are read from: MySQL, MariaDB or Amazon RDS." },
        { "kafka", "The Kafka cluster that records are sent to. Besides bootstrap.servers, any property of librdkafka can "
                   "be set here by its own name, such as linger.ms; without any, pinfeed talks to Amazon MSK with IAM "
                   "authentication." },
        { "aws", "Which AWS identity signs in to Amazon MSK. Usually nothing is needed here: credentials and region are "
                 "found as the AWS command line finds them. Access keys never belong in this file." },
        { "emulate", "The daemon's work: random posts, as the old user_posting_emulation.py sent them." },
        { "replay", "The backfill (pinfeed --replay): every row once." },
        { "follow", "Keeping up (pinfeed --follow): new rows as they appear. What [replay] says holds, too, but for rate." },
        { "stream", "A stream sends the rows of one table to one topic. The streams pin, geo and user are always there; "
                    "a section [stream NAME] changes one of them, or adds one of your own (NAME: letters, digits, _ "
                    "and -)." },
        {},
};

const struct settings_stream settings_streams[3] = {
        { "pin", "pinterest_data", "index" },
        { "geo", "geolocation_data", "ind" },
        { "user", "user_data", "ind" },
};

const struct setting settings[] = {
        /* ---- [pinfeed] ---- */
        { .section = "pinfeed", .key = "user_id", .type = SETTING_TEXT, IN_CONFIG(user_id), .required = true,
          .least = 1, .most = 200, .characters = NAME_CHARACTERS, .example = "0ac1babf620d",
          .help = "Your UserId: what the names of your topics begin with.",
          .details = "In the pipeline's AWS account it is the name of your IAM user, and what the bucket "
                     "user-<UserId>-bucket and the role <UserId>-ec2-access-role are named after." },
        { .section = "pinfeed", .key = "stats_interval", .type = SETTING_UNSIGNED, IN_CONFIG(stats_interval_s), .reload = true,
          .least = 1, .most = 86400, .normal = "60",
          .help = "Seconds between two reports of what was delivered." },
        { .section = "pinfeed", .key = "log_level", .type = SETTING_LOG_LEVEL, IN_CONFIG(log_level), .reload = true, .normal = "info",
          .help = "The least important messages to show.",
          .details = "The reports of what was delivered are info; debug adds what librdkafka says." },
        { .section = "pinfeed", .key = "state_dir", .type = SETTING_PATH, IN_CONFIG(state_dir),
          .normal_words = "$STATE_DIRECTORY, which systemd sets, else /var/lib/pinfeed",
          .example = "/var/lib/pinfeed",
          .help = "Directory for what has to outlive a restart.",
          .details = "Holds the keys of posts that are on their way, so that after a crash a half-sent post is sent again "
                     "whole, and how far a replay came. A few kilobytes." },

        /* ---- [mysql] ---- */
        { .section = "mysql", .key = "host", .type = SETTING_HOST, IN_CONFIG(mysql_host), .most = 255,
          .example = "pinterest.abc123.eu-west-1.rds.amazonaws.com",
          .help = "Host name of the database server.",
          .details = "For RDS: the Endpoint in the RDS console, under Connectivity & security. A server on this machine "
                     "is 127.0.0.1 (localhost stands for its Unix socket). Either host or socket must be set." },
        { .section = "mysql", .key = "port", .type = SETTING_UNSIGNED, IN_CONFIG(mysql_port), .least = 1, .most = 65535,
          .normal = "3306",
          .help = "Port of the database server." },
        { .section = "mysql", .key = "socket", .type = SETTING_PATH, IN_CONFIG(mysql_socket), .most = 107,
          .example = "/run/mysqld/mysqld.sock",
          .help = "Unix socket of a server on this machine; wins over host and port." },
        { .section = "mysql", .key = "user", .type = SETTING_TEXT, IN_CONFIG(mysql_user), .least = 1, .most = 128,
          .normal = "pinfeed",
          .help = "The database user. SELECT on the tables is all that it needs." },
        { .section = "mysql", .key = "password_file", .type = SETTING_PATH, IN_CONFIG(mysql_password_file), .reload = true,
          .normal_words = "mysql-password in $CREDENTIALS_DIRECTORY, which systemd sets, or beside the configuration "
                          "file, if it is there; else no password",
          .example = "/etc/pinfeed/mysql-password",
          .help = "File that holds the password, and nothing else.",
          .details = "A newline at its end is not part of the password. The service needs no setting here: systemd hands "
                     "it /etc/pinfeed/mysql-password, which only root should be able to read (mode 0600). A file that others can "
                     "read is refused.", .hidden = true },
        { .section = "mysql", .key = "database", .type = SETTING_NAME, IN_CONFIG(mysql_database), .most = 256,
          .normal = "pinterest_data",
          .help = "The database (schema) that holds the tables." },
        { .section = "mysql", .key = "ssl_ca", .type = SETTING_PATH, IN_CONFIG(mysql_ssl_ca),
          .example = "/etc/pinfeed/rds.pem",
          .help = "CA certificates (PEM) that the server's certificate must be signed by.",
          .details = "For RDS: the global bundle that AWS offers for download, "
                     "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem." },
        { .section = "mysql", .key = "tls", .type = SETTING_TLS, IN_CONFIG(mysql_tls),
          .normal_words = "verify with ssl_ca or on RDS; else prefer on this machine, require elsewhere", .example = "verify",
          .help = "How the connection is protected: verify, require or prefer.",
          .details = "verify: encrypted, and the server's certificate fits its name and is signed by ssl_ca (or by an "
                     "authority that this machine trusts). require: encrypted, but anybody may be at the other end. prefer: "
                     "encrypted if the server offers it. Never less than that; a Unix socket needs none of it." },

        /* ---- [kafka] ---- */
        { .section = "kafka", .key = "bootstrap.servers", .type = SETTING_PROPERTY, .required = true,
          .example = "b-1.mycluster.abc123.c2.kafka.eu-west-1.amazonaws.com:9098,"
                     "b-2.mycluster.abc123.c2.kafka.eu-west-1.amazonaws.com:9098",
          .help = "The brokers, as HOST:PORT, separated by commas, on one line.",
          .details = "For Amazon MSK: the cluster's page, View client information, the private endpoint for IAM, which "
                     "ends in :9098 (:9198 from outside the VPC)." },

        /* ---- [aws] ---- */
        { .section = "aws", .key = "region", .type = SETTING_REGION, IN_CONFIG(aws_region), .reload = true, .least = 1, .most = 63,
          .characters = "a-z0-9-", .example = "eu-west-1",
          .normal_words = "from the brokers' names, else as the AWS command line finds it",
          .help = "Region of the Kafka cluster." },
        { .section = "aws", .key = "profile", .type = SETTING_TEXT, IN_CONFIG(aws_profile), .reload = true, .least = 1, .most = 256,
          .example = "pinterest", .normal_words = "as the AWS command line: $AWS_PROFILE, else default",
          .help = "Profile in the AWS configuration files.",
          .details = "The service has AWS files of its own: /etc/pinfeed/aws/config and /etc/pinfeed/aws/credentials." },
        { .section = "aws", .key = "role_arn", .type = SETTING_TEXT, IN_CONFIG(aws_role_arn), .reload = true, .least = 20, .most = 2048,
          .characters = "A-Za-z0-9:/+=,.@_-", .example = "arn:aws:iam::123456789012:role/0ac1babf620d-ec2-access-role",
          .help = "Role to assume on top of the credentials that were found.",
          .details = "What awsRoleArn=\"...\" is in the Java client's sasl.jaas.config." },
        { .section = "aws", .key = "external_id", .type = SETTING_TEXT, IN_CONFIG(aws_external_id), .reload = true, .least = 2,
          .most = 1224, .characters = "A-Za-z0-9+=,.@:/_-", .example = "pinfeed-prod",
          .help = "External id, if the role's trust policy asks for one." },
        { .section = "aws", .key = "session_name", .type = SETTING_TEXT, IN_CONFIG(aws_session_name), .reload = true, .least = 2,
          .most = 64, .characters = "A-Za-z0-9+=,.@_-", .example = "pinfeed",
          .normal_words = "role_session_name of the profile, else $AWS_ROLE_SESSION_NAME, else pinfeed",
          .help = "Name of the assumed role's session, as CloudTrail shows it.",
          .details = "It stays the same over restarts and refreshes: Kafka ends a session whose name changes." },

        /* ---- [emulate] ---- */
        { .section = "emulate", .key = "rate", .type = SETTING_REAL, IN_CONFIG(emulate_rate), .reload = true, .real_least = 0.001,
          .real_most = 1000000, .normal = "1",
          .help = "Posts a second, on average.",
          .details = "A post is one row of each of the streams pin, geo and user with the same key. The pauses between "
                     "posts are random, between 0 and 2/rate seconds. Fractions are fine: 0.1 is a post every ten "
                     "seconds." },
        { .section = "emulate", .key = "posts", .type = SETTING_WIDE, IN_CONFIG(emulate_posts), .least = 1,
          .most = 1000000000000, .example = "500", .normal_words = "no end",
          .help = "Stop after that many posts." },
        { .section = "emulate", .key = "seed", .type = SETTING_WIDE, IN_CONFIG(emulate_seed), .most = UINT64_MAX,
          .example = "100", .normal_words = "real randomness, different after each start",
          .help = "Repeat the old emulator's order: its random.seed(N).",
          .details = "With 100, and rate = 2 for its pace, the posts are those that the original script sends, again after "
                     "each start." },

        /* ---- [replay] ---- */
        { .section = "replay", .key = "group", .type = SETTING_TEXT, IN_CONFIG(replay_group), .least = 1, .most = 200,
          .normal_words = "pinfeed.<user_id>", .example = "pinfeed.0ac1babf620d",
          .help = "Consumer group in which a replay keeps its progress.",
          .details = "No consumer may use it. If your policy allows one group only, name it here. It also begins the "
                     "transactional ids: <group>.<user_id>.<stream>, or pinfeed.<user_id>.<stream> if it isn't set." },
        { .section = "replay", .key = "exactly_once", .type = SETTING_BOOL, IN_CONFIG(replay_exactly_once),
          .normal = "yes",
          .help = "Send in transactions, so that readers of committed records see each row once.",
          .details = "no is for accounts whose policy lacks the transactional actions: rows may then repeat after an "
                     "interruption, and progress is kept in state_dir." },
        { .section = "replay", .key = "rate", .type = SETTING_REAL, IN_CONFIG(replay_rate), .reload = true, .real_least = 0.001,
          .real_most = 1e9, .example = "5000", .normal_words = "as fast as possible",
          .help = "At most that many rows a second, all streams together." },
        { .section = "replay", .key = "commit_rows", .type = SETTING_UNSIGNED, IN_CONFIG(replay_commit_rows), .least = 1,
          .most = 10000000, .normal = "250000",
          .help = "Rows in a transaction, about; 5 s or 256 MB end one sooner.",
          .details = "Rows of equal key are always in the same one. Larger transactions are quicker; whoever reads only "
                     "committed records waits longer for each, and who doesn't sees more rows twice after a crash." },

        /* ---- [follow] ---- */
        { .section = "follow", .key = "interval", .type = SETTING_REAL, IN_CONFIG(follow_interval_s), .reload = true,
          .real_least = 0.05, .real_most = 3600, .normal = "1",
          .help = "Seconds between two looks for new rows.",
          .details = "A look is one query along the key's index. Fractions are fine." },
        { .section = "follow", .key = "settle", .type = SETTING_UNSIGNED, IN_CONFIG(follow_settle_s), .reload = true, .least = 1,
          .most = 86400, .normal = "60",
          .help = "Seconds that a row may be late: its transaction lasts no longer than that.",
          .details = "Keys that are missing between others are looked for until then, and are taken for rolled back after that. "
                     "Where the user has the right PROCESS, and the server is no replica, open transactions are seen: then a key is "
                     "looked for exactly until all those have ended that may hold it, however long they last." },

        /* ---- [stream NAME] ---- */
        { .section = "stream", .key = "table", .type = SETTING_NAME, IN_STREAM(table), .required = true, .most = 256,
          .example = "my_table",
          .help = "The table whose rows are sent." },
        { .section = "stream", .key = "key", .type = SETTING_NAME, IN_STREAM(key), .required = true, .most = 256,
          .example = "id",
          .help = "The column that identifies a row; it becomes the record's key." },
        { .section = "stream", .key = "topic", .type = SETTING_TEXT, IN_STREAM(topic), .least = 1, .most = 249,
          .characters = NAME_CHARACTERS, .example = "0ac1babf620d.mine", .normal_words = "<user_id>.NAME",
          .help = "The topic that records are sent to." },
        { .section = "stream", .key = "columns", .type = SETTING_TEXT, IN_STREAM(columns), .least = 1, .most = 65536,
          .example = "id, title, created_at", .normal_words = "all, in the table's order",
          .help = "The columns that are sent, separated by commas." },
        { .section = "stream", .key = "where", .type = SETTING_TEXT, IN_STREAM(where), .least = 1, .most = 65536,
          .example = "downloaded = 1", .normal_words = "every row",
          .help = "An SQL condition: only rows that meet it are sent." },
        { .section = "stream", .key = "partitions", .type = SETTING_COUNT, IN_STREAM(partitions), .least = 1,
          .most = 10000, .normal = "1",
          .help = "Partitions of the topic when --create-topics makes it.",
          .details = "The notebooks behind the S3 sink read partition 0 only: with more than one they miss rows." },
        { .section = "stream", .key = "replication_factor", .type = SETTING_COUNT, IN_STREAM(replication_factor),
          .least = 1, .most = 100, .normal = "-1",
          .help = "Replicas of the topic when --create-topics makes it; -1: the cluster's default." },
        {},
};
