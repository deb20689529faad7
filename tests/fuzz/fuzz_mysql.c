/* A MySQL server that answers with any bytes, from its greeting to the rows: an answer or an error with words, never a
 * crash, and never the password.
 *
 * The first byte says what the input has (see enum), the rest is packets without their heads: 0xf5 ends one, 0xf6 the
 * last of an answer. What it doesn't have is answered as a server would. */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "../db/wire.h"
#include "pinfeed/json.h"
#include "pinfeed/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
const char *__asan_default_options(void);

/* Connector/C believes any number of columns, allocates for them at once, and then loses what it had. Threads that have
 * logged in may still be ending when leaks are looked for; tests/db looks for ours. */
const char *__asan_default_options(void) {
        return "max_allocation_size_mb=256:allocator_may_return_null=1:detect_leaks=0";
}

enum {
        GREETING = 1, LOG_IN = 2, SESSION = 4,          /* its own */
        TLS = 8,                                        /* is insisted on, which it doesn't have */
        PACKET_ENDS = 0xf5, ANSWER_ENDS = 0xf6,
        PATIENCE_US = 20000,                            /* with a client that waits for more than there is */
};

static const char secret[] = "S3CRET!";
static char secret_path[] = "/tmp/pinfeed-fuzz-XXXXXX";

struct server {
        int listener;
        unsigned has;
        const char *script, *end;
        struct wire wire;
};

/* ---- the server ---- */

/* The next answer of the script; false: there is none. */
static bool answer(struct wire *w, const char **at, const char *end) {
        if (*at == end)
                return false;
        for (bool more = true; more && *at < end;) {
                const char *from = *at;

                while (*at < end && (unsigned char) **at != PACKET_ENDS && (unsigned char) **at != ANSWER_ENDS)
                        ++*at;
                wire_send(w, from, (size_t) (*at - from));
                more = *at < end && (unsigned char) *(*at)++ == PACKET_ENDS;
        }
        return true;
}

static bool is_asked(unsigned has, size_t packets, const char *said, size_t length) {
        if (packets == 0)
                return has & LOG_IN;
        if (has & SESSION || length == 0)
                return has & SESSION;
        return strncmp(said + 1, "SHOW", 4) == 0 || strncmp(said + 1, "SELECT", 6) == 0;
}

static void serve(struct server *s) {
        const char *at = s->script, *said;
        size_t length;

        s->wire.sequence = 0;
        if (!(s->has & GREETING))
                wire_greet(&s->wire, "mysql_native_password", false);
        else if (!answer(&s->wire, &at, s->end))
                return;
        for (size_t packets = 0; wire_listen(&s->wire, &said, &length); packets++)
                if (!is_asked(s->has, packets, said, length))
                        wire_send(&s->wire, WIRE_OK, sizeof WIRE_OK);
                else if (!answer(&s->wire, &at, s->end))
                        return;
}

/* Every client hears the same. */
static void *work(void *arg) {
        const struct timeval patience = { .tv_usec = PATIENCE_US }, farewell = { .tv_sec = 1 };
        struct server *s = arg;
        char rest[4096];

        while ((s->wire.fd = accept(s->listener, NULL, NULL)) >= 0) {
                setsockopt(s->wire.fd, IPPROTO_TCP, TCP_NODELAY, &(int) { 1 }, sizeof(int));
                setsockopt(s->wire.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
                serve(s);
                shutdown(s->wire.fd, SHUT_WR);
                setsockopt(s->wire.fd, SOL_SOCKET, SO_RCVTIMEO, &farewell, sizeof farewell);
                for (ssize_t n; (n = recv(s->wire.fd, rest, sizeof rest, 0)) > 0;)
                        buffer_append(&s->wire.said, rest, (size_t) n);
                /* A reset leaves no port behind that waits. */
                setsockopt(s->wire.fd, SOL_SOCKET, SO_LINGER, &(struct linger) { .l_onoff = 1 }, sizeof(struct linger));
                close(s->wire.fd);
        }
        return NULL;
}

/* ---- the client ---- */

static void check(const struct error *e) {
        if (e->class == ERROR_NONE || e->class == ERROR_STOPPED || !*e->what)
                abort();
        if (strstr(e->what, secret) || strstr(e->hint, secret))
                abort();
}

static void read_rows(struct database *db, const struct table *t) {
        const struct table_facts *facts = table_facts(t);
        struct json_plan *plan = json_plan_new(facts->columns, facts->column_count);
        struct table_reader *r = NULL;
        struct buffer json = {};
        struct error e = {};
        struct row row;
        struct key key;
        int x = table_read(db, t, NULL, false, NULL, 0, &r, &e);

        while (x == 0 && (x = table_next(r, &row, &key, &e)) == TABLE_ROW) {
                json.length = 0;
                json_encode_row(plan, &row, &json);
                json_encode_text(key.data, key.length, &json);
        }
        if (x < 0)
                check(&e);
        table_reader_close(r);
        buffer_free(&json);
        json_plan_free(plan);
}

static void ask(struct database *db, const struct table *t) {
        struct database_facts facts;
        struct key least, greatest;
        struct table_keys keys;
        struct error e = {};
        uint64_t count;
        size_t length;

        read_rows(db, t);
        switch (table_key_bounds(db, t, &least, &greatest, &e)) {
        case TABLE_BOUNDS_FAILED:
                check(&e);
                break;
        case TABLE_BOUNDS:
                if (table_count(db, t, &least, true, &greatest, &count, &e) < 0)
                        check(&e);
                break;
        case TABLE_EMPTY:
                break;
        }
        if (table_has_null_keys(db, t, &e) == TABLE_NULL_KEYS_FAILED)
                check(&e);
        if (table_longest_key(db, t, &length, &e) < 0)
                check(&e);
        if (table_estimate(db, t, &count, &e) < 0)
                check(&e);
        if (table_count_keys(db, t, &keys, &e) < 0)
                check(&e);
        if (database_facts(db, &facts, &e) < 0)
                check(&e);
}

static void use(const struct table_login *login) {
        const struct table_spec spec = { .name = "t", .key = "k", .cell_max_bytes = 1000 };
        struct database *db;
        struct error e = {};
        struct table *t;
        char text[128];

        if (database_open(login, &db, &e) < 0) {
                check(&e);
                return;
        }
        if (login->tls == TABLE_TLS_REQUIRE)
                abort();
        database_tls(db, text, sizeof text);
        if (table_describe(db, &spec, &t, &e) == 0) {
                ask(db, t);
                table_free(t);
        } else
                check(&e);
        database_close(db);
}

/* ---- both ---- */

static void remove_secret(void) {
        unlink(secret_path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
        int fd = mkstemp(secret_path);

        (void) argc;
        (void) argv;
        signal(SIGPIPE, SIG_IGN);
        if (fd < 0 || write(fd, secret, strlen(secret)) < 0)
                abort();
        close(fd);
        return atexit(remove_secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t length = sizeof address;
        struct table_login login = { .host = "127.0.0.1", .user = "pin", .database = "d", .password_file = secret_path,
                                     .ssl_ca = "/dev/null",     /* reading all that this machine trusts is slow */
                                     .timeout_ms = 1000, .max_packet_bytes = 1 << 20 };
        struct server s = { .listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
        pthread_t thread;

        if (size == 0 || memmem(data, size, secret, strlen(secret)))
                return -1;              /* a name that the server made up is sent back to it */
        if (data[0] & GREETING && size > 3 && memcmp(data + 1, "\xff\xff\xff", 3) == 0)
                return -1;              /* a report of progress as greeting crashes Connector/C 3.3 itself */
        s.has = data[0];
        s.script = (const char *) data + 1;
        s.end = (const char *) data + size;
        if (bind(s.listener, (struct sockaddr *) &address, sizeof address) < 0 || listen(s.listener, 8) < 0
            || getsockname(s.listener, (struct sockaddr *) &address, &length) < 0)
                abort();
        login.port = ntohs(address.sin_port);
        login.tls = s.has & TLS ? TABLE_TLS_REQUIRE : TABLE_TLS_PREFER;
        pthread_create(&thread, NULL, work, &s);
        use(&login);
        shutdown(s.listener, SHUT_RDWR);
        pthread_join(thread, NULL);
        close(s.listener);
        if (s.wire.said.data && memmem(s.wire.said.data, s.wire.said.length, secret, strlen(secret)))
                abort();
        buffer_free(&s.wire.said);
        return 0;
}
