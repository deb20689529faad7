/* Signs tokens for chosen moments, for comparison with AWS's own signer. Each line of stdin has, separated by tabs:
 * access key id, secret access key, session token (or nothing), region, epoch seconds, lifetime in seconds. Prints the
 * token and, behind a tab, when it ends in milliseconds. */
#include "pinfeed/aws.h"

#include <stdio.h>
#include <string.h>

enum { FIELDS = 6 };

static bool split(char *line, char *fields[static FIELDS]) {
        line[strcspn(line, "\n")] = 0;
        for (size_t i = 0; i < FIELDS; i++) {
                fields[i] = strsep(&line, "\t");
                if (!fields[i])
                        return false;
        }
        return !line;
}

int main(void) {
        char *line = NULL, *fields[FIELDS];
        size_t size = 0;

        while (getline(&line, &size, stdin) > 0) {
                struct aws_credentials c = {};
                int64_t expires_ms;
                struct error e;
                char *token;

                if (!split(line, fields))
                        return 2;
                c.access_key_id = fields[0];
                c.secret_access_key = fields[1];
                c.session_token = *fields[2] ? fields[2] : NULL;
                if (aws_token_sign(&c, fields[3], atoll(fields[4]), (unsigned) atoi(fields[5]), &token, &expires_ms, &e) < 0) {
                        fprintf(stderr, "%s\n", e.what);
                        return 1;
                }
                printf("%s\t%lld\n", token, (long long) expires_ms);
                free(token);
        }
        free(line);
        return 0;
}
