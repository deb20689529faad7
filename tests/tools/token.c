/* What `pinfeed --token` does, without the rest of pinfeed: `token [region [profile [role_arn [session_name]]]]`, an
 * empty argument is left out; PINFEED_TEST_BOOTSTRAP names brokers. */
#include "pinfeed/job.h"

static const char *argument(int argc, char **argv, int i) {
        return i < argc && *argv[i] ? argv[i] : NULL;
}

int main(int argc, char **argv) {
        struct aws_settings settings = {
                .region = argument(argc, argv, 1), .profile = argument(argc, argv, 2),
                .role_arn = argument(argc, argv, 3), .session_name = argument(argc, argv, 4),
                .bootstrap_servers = getenv("PINFEED_TEST_BOOTSTRAP"),
        };
        struct error e = {};

        if (job_token(&settings, stdout, &e) < 0) {
                fprintf(stderr, "%s. %s\n", e.what, e.hint);
                return error_exit_code(&e);
        }
        return 0;
}
