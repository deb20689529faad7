/* Logging in, and what happens when the server says no, says nothing, or goes away. */
#include "db.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef MARIADB_VERSION_ID
enum { LIBRARY_HAS_ED25519 = true };
#else
enum { LIBRARY_HAS_ED25519 = false };
#endif

static const char password[] = "s3cret 'quoted\" \\pass";

/* As the account pin over TCP. */
static struct table_login pin_login(const char *password_file) {
        return (struct table_login) {
                .host = "localhost", .port = (unsigned) atoi(getenv("PINFEED_TEST_MYSQL_PORT")), .user = "pin",
                .database = "pinfeed_test", .password_file = password_file, .timeout_ms = 5000,
        };
}

static int set_up(void **state) {
        if (admin_set_up(state) < 0)
                return -1;
        admin_run("DROP USER IF EXISTS pin@'%%'");
        admin_run("CREATE USER pin@'%%' IDENTIFIED BY 's3cret \\'quoted\" \\\\pass'");
        admin_run("GRANT SELECT ON pinfeed_test.* TO pin@'%%'");
        admin_create("many", "(k INT PRIMARY KEY, filler VARCHAR(1000))");
        admin_run("INSERT INTO many SELECT seq, REPEAT('x', 1000) FROM seq WHERE seq <= 100000");
        return 0;
}

static struct table *describe_many(struct database *db, const char *where) {
        return describe(db, &(struct table_spec) { .name = "many", .key = "k", .where = where });
}

static uint64_t ms_since(uint64_t start_us) {
        return (clock_monotonic_us() - start_us) / 1000;
}

static void refuse(const struct table_login *login, struct error *e) {
        struct database *db;

        assert_int_equal(database_open(login, &db, e), -1);
        assert_null(strstr(e->what, password));
        assert_null(strstr(e->hint, password));
}

/* ---- logging in ---- */

static void password_file_may_end_in_one_newline(void **state) {
        static const char *const endings[] = { "", "\n", "\r\n" };
        struct database *db;
        char path[256], text[128];

        (void) state;
        for (size_t i = 0; i < 3; i++) {
                struct table_login login = pin_login(path);

                snprintf(text, sizeof text, "%s%s", password, endings[i]);
                write_file("password", text, path);
                db = open_as(&login);
                database_close(db);
        }
}

static void wrong_logins_are_refused_with_what_to_do(void **state) {
        struct table_login login;
        struct error e;
        char path[256];

        (void) state;
        write_file("password", "another\n", path);
        login = pin_login(path);
        refuse(&login, &e);
        assert_error(&e, ERROR_REFUSED, "Access denied", "localhost:", "password_file");

        login = pin_login(NULL);
        refuse(&login, &e);
        assert_error(&e, ERROR_REFUSED, "using password: NO", "No password was given");

        login = pin_login("/nonexistent/password");
        refuse(&login, &e);
        assert_error(&e, ERROR_REFUSED, "/nonexistent/password", "No such file", "password_file");

        write_file("password", "s3cret 'quoted\" \\pass\nand more\n", path);
        login = pin_login(path);
        refuse(&login, &e);
        assert_error(&e, ERROR_REFUSED, "nothing else");

        write_file("password", password, path);
        login.database = "nope";
        refuse(&login, &e);
        assert_error(&e, ERROR_REFUSED, "nope", "GRANT SELECT ON `nope`.`TABLE` TO 'pin'");
        admin_run("GRANT SELECT ON nope.* TO pin@'%%'");
        refuse(&login, &e);
        assert_error(&e, ERROR_REFUSED, "Unknown database 'nope'", "[mysql] database");
        admin_run("REVOKE SELECT ON nope.* FROM pin@'%%'");
}

/* Its plugin is a file on Debian, which is loaded before any server is asked. */
static void an_account_may_log_in_by_ed25519(void **state) {
        struct table_login login;
        struct database *db;
        char path[256];

        (void) state;
        if (!admin_is_mariadb || !LIBRARY_HAS_ED25519)
                skip();
        write_file("password", password, path);
        login = pin_login(path);
        login.user = "ed";
        admin_run("INSTALL SONAME 'auth_ed25519'");
        admin_run("CREATE USER ed@'%%' IDENTIFIED VIA ed25519 USING PASSWORD('s3cret \\'quoted\" \\\\pass')");
        admin_run("GRANT SELECT ON pinfeed_test.* TO ed@'%%'");
        db = open_as(&login);
        database_close(db);
        admin_run("DROP USER ed@'%%'");
}

static void nobody_there_is_unreachable(void **state) {
        struct table_login login = pin_login(NULL);
        struct error e;

        (void) state;
        login.port = 1;
        refuse(&login, &e);
        assert_error(&e, ERROR_UNREACHABLE, "localhost:1", "security group", "3306");

        login.socket = "/nonexistent/socket";
        refuse(&login, &e);
        assert_error(&e, ERROR_UNREACHABLE, "/nonexistent/socket", "[mysql] socket");

        login = pin_login(NULL);
        login.host = "nope.invalid";
        refuse(&login, &e);
        assert_error(&e, ERROR_UNREACHABLE, "nope.invalid");
}

static void a_full_server_is_unreachable_for_now(void **state) {
        struct table_login login;
        struct database *db;
        struct error e;
        char path[256];

        (void) state;
        write_file("password", password, path);
        login = pin_login(path);
        admin_run("ALTER USER pin@'%%' WITH MAX_USER_CONNECTIONS 1");
        db = open_as(&login);
        refuse(&login, &e);
        admin_run("ALTER USER pin@'%%' WITH MAX_USER_CONNECTIONS 0");
        database_close(db);
        assert_error(&e, ERROR_UNREACHABLE, "pin", "trying again");
}

static void tls_is_used_when_offered_and_verified_with_a_ca(void **state) {
        struct table_login login;
        struct database *db;
        struct error e;
        char path[256];

        (void) state;
        write_file("password", password, path);
        login = pin_login(path);
        for (int verify = 0; verify < 2; verify++) {
                _cleanup_free_ char *cipher = NULL;
                char protection[200];

                login.ssl_ca = verify ? getenv("PINFEED_TEST_MYSQL_CA") : NULL;
                db = open_as(&login);
                cipher = session_value(db, "SHOW SESSION STATUS LIKE 'Ssl_cipher'");
                assert_true(strlen(cipher) > 0);
                database_tls(db, protection, sizeof protection);
                assert_non_null(strstr(protection, cipher));
                assert_non_null(strstr(protection, "TLSv1."));
                assert_non_null(strstr(protection, verify ? "certificate verified" : "[mysql] ssl_ca"));
                database_close(db);
        }
        login.ssl_ca = getenv("PINFEED_TEST_OTHER_CA");
        refuse(&login, &e);
        assert_error(&e, ERROR_REFUSED, "ssl_ca");
        login.ssl_ca = "/nonexistent/ca.pem";
        refuse(&login, &e);
        assert_error(&e, ERROR_REFUSED, "ssl_ca");
        login.ssl_ca = getenv("PINFEED_TEST_MYSQL_CA");
        login.host = "127.0.0.1";               /* not in the certificate */
        refuse(&login, &e);
        assert_error(&e, ERROR_REFUSED, "ssl_ca", "name in its certificate");
}

static void missing_rights_name_the_grant(void **state) {
        struct table_login login;
        struct database *db;
        struct table *t;
        struct error e;
        char path[256], *keys;

        (void) state;
        write_file("password", password, path);
        login = pin_login(path);
        admin_create("rights", "(k INT PRIMARY KEY, a INT, b INT)");
        admin_run("DROP USER IF EXISTS some@'%%'");
        admin_run("CREATE USER some@'%%' IDENTIFIED BY 's3cret \\'quoted\" \\\\pass'");
        admin_run("GRANT SELECT (k, a) ON pinfeed_test.rights TO some@'%%'");
        login.user = "some";
        db = open_as(&login);
        assert_int_equal(table_describe(db, &(struct table_spec) { .name = "many", .key = "k" }, &t, &e), -1);
        assert_error(&e, ERROR_REFUSED, "many", "denied", "GRANT SELECT ON `pinfeed_test`.`many` TO 'some'");
        assert_int_equal(table_describe(db, &(struct table_spec) { .name = "rights", .key = "k", .where = "b = 1" }, &t, &e),
                         -1);
        assert_error(&e, ERROR_REFUSED, "'b'", "denied", "GRANT");

        /* What may be read is enough. */
        t = describe(db, &(struct table_spec) { .name = "rights", .key = "k", .columns = "k,a" });
        keys = read_keys(db, t, NULL, false, NULL, 0);
        assert_string_equal(keys, "");
        free(keys);
        table_free(t);
        database_close(db);
}

/* ---- what the server's own settings can't change ---- */

static void a_limit_of_the_servers_does_not_end_a_table_early(void **state) {
        struct database *db;
        struct table *t;
        struct error e;
        struct table_reader *r;
        struct row row;
        struct key key;
        size_t rows = 0;

        (void) state;
        admin_run("SET GLOBAL sql_select_limit = 100");
        db = open_database(10000);
        admin_run("SET GLOBAL sql_select_limit = DEFAULT");
        t = describe_many(db, "k <= 1000");
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        while (table_next(r, &row, &key, &e) == 0)
                rows++;
        assert_int_equal(rows, 1000);
        assert_true(table_reader_close(r));
        table_free(t);
        database_close(db);
}

static void rows_that_are_not_committed_are_not_read(void **state) {
        struct database *db;
        struct table *t;
        char *keys;

        (void) state;
        admin_create("dirty", "(k INT PRIMARY KEY)");
        admin_run("INSERT INTO dirty VALUES (1)");
        admin_run("SET GLOBAL TRANSACTION ISOLATION LEVEL READ UNCOMMITTED");
        db = open_database(10000);
        admin_run("SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ");
        t = describe(db, &(struct table_spec) { .name = "dirty", .key = "k" });
        admin_run("START TRANSACTION");
        admin_run("INSERT INTO dirty VALUES (2)");
        keys = read_keys(db, t, NULL, false, NULL, 0);
        admin_run("ROLLBACK");
        assert_string_equal(keys, "1");
        free(keys);
        table_free(t);
        database_close(db);
}

/* ---- streams ---- */

static size_t resident_bytes(void) {
        unsigned long size, resident;
        FILE *f = fopen("/proc/self/statm", "r");

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
        fclose(f);
        return resident * (size_t) sysconf(_SC_PAGESIZE);
}

static void a_large_table_streams_without_filling_memory(void **state) {
        struct database *db = open_database(10000);
        struct table *t = describe_many(db, NULL);
        struct table_reader *r;
        size_t rows = 0, before, grown = 0;
        struct error e;
        struct row row;
        struct key key;
        int n;

        (void) state;
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        assert_int_equal(table_next(r, &row, &key, &e), 0);
        before = resident_bytes();
        while ((n = table_next(r, &row, &key, &e)) == 0)
                if (++rows % 10000 == 0 && resident_bytes() > before + grown)
                        grown = resident_bytes() - before;
        assert_int_equal(n, 1);
        assert_int_equal(rows, 99999);
        assert_true(grown < 4 << 20);
        assert_true(table_reader_close(r));
        table_free(t);
        database_close(db);
}

/* Reads to the end and expects it to be an error. */
static void read_until_error(struct table_reader *r, struct error *e) {
        struct row row;
        struct key key;
        int n;

        while ((n = table_next(r, &row, &key, e)) == 0)
                ;
        assert_int_equal(n, -1);
}

static void a_row_too_large_is_refused_by_the_tables_name(void **state) {
        struct table_login login = { .socket = getenv("PINFEED_TEST_MYSQL_SOCKET"), .user = "root",
                                     .database = "pinfeed_test", .max_packet_bytes = 1 << 20 };
        struct table_reader *r;
        struct database *db;
        struct table *t;
        struct error e;

        (void) state;
        admin_create("large", "(k INT PRIMARY KEY, filler LONGTEXT)");
        admin_run("INSERT INTO large VALUES (1, REPEAT('x', 1000000)), (2, REPEAT('x', 2000000))");
        db = open_as(&login);
        t = describe(db, &(struct table_spec) { .stream = "geo", .name = "large", .key = "k" });
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        read_until_error(r, &e);
        assert_error(&e, ERROR_REFUSED, "table large", "[stream geo] columns", "[stream geo] where", "message.max.bytes");
        assert_false(table_reader_close(r));
        table_free(t);
        database_close(db);
}

static void closing_a_stream_early_is_quick_and_costs_the_connection(void **state) {
        struct database *db = open_database(10000);
        struct table *t = describe_many(db, "k < 50000 OR SLEEP(5) = 0");
        struct table_reader *r;
        uint64_t count;
        struct error e;
        struct row row;
        struct key key;

        (void) state;
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        assert_int_equal(table_next(r, &row, &key, &e), 0);
        assert_false(table_reader_close(r));            /* the rows that are left would take days */
        assert_int_equal(table_count(db, t, NULL, false, NULL, &count, &e), -1);
        assert_error(&e, ERROR_UNREACHABLE, "closed");
        database_close(db);
        table_free(t);
}

static void the_server_waits_for_a_reader_that_is_held_up(void **state) {
        struct table_reader *r;
        struct database *db;
        struct table *t;
        struct error e;
        struct row row;
        struct key key;
        size_t rows = 1;
        int n;

        (void) state;
        admin_run("SET GLOBAL net_write_timeout = 1");
        db = open_database(1000);
        t = describe_many(db, NULL);
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        assert_int_equal(table_next(r, &row, &key, &e), 0);
        usleep(2500000);                /* longer than the server's own time-out, and than ours */
        while ((n = table_next(r, &row, &key, &e)) == 0)
                rows++;
        admin_run("SET GLOBAL net_write_timeout = 60");
        assert_int_equal(n, 1);
        assert_int_equal(rows, 100000);
        table_reader_close(r);
        table_free(t);
        database_close(db);
}

static void a_killed_connection_is_unreachable(void **state) {
        struct database *db = open_database(10000);
        struct table *t = describe_many(db, NULL);
        struct table_reader *r;
        struct error e;
        struct row row;
        struct key key;

        (void) state;
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        assert_int_equal(table_next(r, &row, &key, &e), 0);
        admin_run("KILL %lu", mysql_thread_id(db->mysql));
        read_until_error(r, &e);
        assert_error(&e, ERROR_UNREACHABLE, "many");
        assert_false(table_reader_close(r));
        table_free(t);
        database_close(db);
}

/* ---- silence ---- */

static void a_slow_query_is_waited_for_longer_than_the_timeout(void **state) {
        struct database *db = open_database(300);
        struct table *t = describe_many(db, "SLEEP(IF(k = 1, 2, 0)) = 0");
        uint64_t start_us = clock_monotonic_us();
        char *keys;

        (void) state;
        keys = read_keys(db, t, NULL, false, "2", 0);
        assert_string_equal(keys, "1|2");
        assert_true(ms_since(start_us) >= 2000);
        free(keys);
        table_free(t);
        database_close(db);
}

/* How often, and when last, a connection said that it is alive. */
struct pulse {
        _Atomic unsigned beats;
        _Atomic uint64_t last_us;
};

static void beat(void *arg) {
        struct pulse *p = arg;

        atomic_fetch_add(&p->beats, 1);
        atomic_store(&p->last_us, clock_monotonic_us());
}

static struct database *open_with_pulse(const char *password_file, unsigned timeout_ms, struct pulse *p) {
        struct table_login login = pin_login(password_file);
        struct database *db;

        login.timeout_ms = timeout_ms;
        login.alive = beat;
        login.alive_arg = p;
        db = open_as(&login);
        return db;
}

static void a_slow_query_is_alive_and_an_idle_connection_is_not(void **state) {
        struct pulse pulse = {};
        struct database *db;
        struct table *t;
        unsigned before;
        char path[256], *keys;

        (void) state;
        write_file("password", password, path);
        db = open_with_pulse(path, 300, &pulse);
        t = describe_many(db, "SLEEP(IF(k = 1, 3, 0)) = 0");
        before = atomic_load(&pulse.beats);
        keys = read_keys(db, t, NULL, false, "2", 0);
        assert_string_equal(keys, "1|2");
        assert_true(atomic_load(&pulse.beats) >= before + 3);
        before = atomic_load(&pulse.beats);
        usleep(1000000);
        assert_true(atomic_load(&pulse.beats) <= before + 2);           /* for the calls before */
        free(keys);
        table_free(t);
        database_close(db);
}

static void a_locked_table_is_said_and_not_waited_for(void **state) {
        struct database *db = open_database(1000);
        struct table *t = describe_many(db, NULL);
        struct error e;
        uint64_t count;
        int r;

        (void) state;
        admin_run("LOCK TABLES many WRITE");
        r = table_count(db, t, NULL, false, NULL, &count, &e);
        admin_run("UNLOCK TABLES");
        assert_int_equal(r, -1);
        assert_error(&e, ERROR_UNREACHABLE, "Lock wait timeout", "ALTER TABLE");
        table_free(t);
        database_close(db);
}

static void *stop_when_asked(void *stop) {
        bool running = false;

        for (int i = 0; i < 500 && !running; i++) {
                running = admin_sees_query("SLEEP(60)");
                usleep(10000);
        }
        atomic_store((atomic_bool *) stop, true);
        return NULL;
}

static void a_stop_from_another_thread_ends_a_call(void **state) {
        atomic_bool stop = false;
        struct table_login login = { .socket = getenv("PINFEED_TEST_MYSQL_SOCKET"), .user = "root",
                                     .database = "pinfeed_test", .timeout_ms = 10000, .stop = &stop };
        struct table_reader *r;
        struct database *db;
        pthread_t thread;
        unsigned long id;
        uint64_t count;
        struct table *t;
        struct error e;

        (void) state;
        db = open_as(&login);
        id = mysql_thread_id(db->mysql);
        t = describe_many(db, "SLEEP(60) = 0");
        pthread_create(&thread, NULL, stop_when_asked, &stop);
        if (table_read(db, t, NULL, false, NULL, 0, &r, &e) == 0) {
                read_until_error(r, &e);
                table_reader_close(r);
        }
        pthread_join(thread, NULL);
        assert_error(&e, ERROR_STOPPED, "stopped");
        assert_int_equal(table_count(db, t, NULL, false, NULL, &count, &e), -1);
        assert_error(&e, ERROR_STOPPED, "stopped");
        admin_run("KILL %lu", id);              /* the server sleeps on, and holds the table */
        table_free(t);
        database_close(db);
}

/* ---- a server that drips ---- */

enum { DRIP_MOST = 64 };

/* Lets everybody in and sends each a greeting, byte by byte, that never comes to its end. */
struct drip {
        int listener, fds[DRIP_MOST];
        size_t count;
        pthread_t thread;
        atomic_bool over;
        atomic_bool *stop;              /* set as soon as somebody is there; may be NULL */
};

static void *drip(void *arg) {
        struct drip *d = arg;

        while (!atomic_load(&d->over)) {
                int fd = accept4(d->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

                for (size_t i = 0; i < d->count; i++)
                        send(d->fds[i], "x", 1, MSG_NOSIGNAL);
                if (fd >= 0) {
                        assert_true(d->count < DRIP_MOST);
                        d->fds[d->count++] = fd;
                        send(fd, "\xff\xff\x0f\x00\x0a", 5, MSG_NOSIGNAL);       /* 1 MiB, protocol 10 */
                        if (d->stop)
                                atomic_store(d->stop, true);
                }
                usleep(50000);
        }
        for (size_t i = 0; i < d->count; i++)
                close(d->fds[i]);
        return NULL;
}

static struct table_login drip_begin(struct drip *d, atomic_bool *stop, unsigned timeout_ms) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof address;

        *d = (struct drip) { .stop = stop };
        d->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(d->listener, (struct sockaddr *) &address, sizeof address), 0);
        assert_int_equal(listen(d->listener, DRIP_MOST), 0);
        assert_int_equal(getsockname(d->listener, (struct sockaddr *) &address, &size), 0);
        pthread_create(&d->thread, NULL, drip, d);
        return (struct table_login) { .host = "127.0.0.1", .port = ntohs(address.sin_port), .user = "pin",
                                      .timeout_ms = timeout_ms, .stop = stop };
}

static void drip_end(struct drip *d) {
        atomic_store(&d->over, true);
        pthread_join(d->thread, NULL);
        close(d->listener);
}

static void a_greeting_that_drips_is_not_waited_for(void **state) {
        struct drip d;
        struct table_login login = drip_begin(&d, NULL, 500);
        struct error e;

        (void) state;
        refuse(&login, &e);
        drip_end(&d);
        assert_error(&e, ERROR_UNREACHABLE, "127.0.0.1:", "log-in", "[mysql] host");
}

static void a_stop_ends_logging_in(void **state) {
        atomic_bool stop = false;
        struct drip d;
        struct table_login login = drip_begin(&d, &stop, 3600000);
        struct error e;

        (void) state;
        refuse(&login, &e);
        drip_end(&d);
        assert_error(&e, ERROR_STOPPED, "stopped");
}

static void log_ins_that_hang_are_few_and_end_with_the_server(void **state) {
        atomic_bool stop = true;
        struct drip d;
        struct table_login login = drip_begin(&d, NULL, 3600000);
        struct error e;

        (void) state;
        login.stop = &stop;
        for (int i = 0; i < 20; i++)
                refuse(&login, &e);
        assert_int_equal(e.class, ERROR_STOPPED);
        login.stop = NULL;
        refuse(&login, &e);
        assert_error(&e, ERROR_FAILED, "still hang");
        drip_end(&d);
        for (int i = 0; i < 1000 && e.class == ERROR_FAILED; i++) {
                refuse(&login, &e);
                usleep(10000);
        }
        assert_error(&e, ERROR_UNREACHABLE, "127.0.0.1:");
}

static pid_t server(void) {
        return atoi(getenv("PINFEED_TEST_MYSQL_PID"));
}

/* The server is frozen in the middle of a stream, on a Unix socket and (with TLS) on TCP. */
static void a_frozen_server_ends_the_call_and_closing_does_not_hang(void **state) {
        char path[256];

        (void) state;
        write_file("password", password, path);
        for (int tcp = 0; tcp < 2; tcp++) {
                struct table_login login = pin_login(path);
                struct table_reader *r;
                struct database *db;
                struct table *t;
                struct error e;
                struct row row;
                struct key key;

                login.timeout_ms = 1000;
                if (!tcp)
                        db = open_database(1000);
                else
                        db = open_as(&login);
                t = describe_many(db, NULL);
                assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
                assert_int_equal(table_next(r, &row, &key, &e), 0);
                kill(server(), SIGSTOP);
                read_until_error(r, &e);
                assert_error(&e, ERROR_UNREACHABLE, "silent");
                assert_false(table_reader_close(r));
                database_close(db);
                kill(server(), SIGCONT);
                table_free(t);
        }
}

static void a_frozen_server_is_not_alive(void **state) {
        struct pulse pulse = {};
        struct table_reader *r;
        struct database *db;
        uint64_t frozen_us;
        struct table *t;
        struct error e;
        struct row row;
        struct key key;
        char path[256];

        (void) state;
        write_file("password", password, path);
        db = open_with_pulse(path, 1000, &pulse);
        t = describe_many(db, NULL);
        assert_int_equal(table_read(db, t, NULL, false, NULL, 0, &r, &e), 0);
        assert_int_equal(table_next(r, &row, &key, &e), 0);
        kill(server(), SIGSTOP);
        frozen_us = clock_monotonic_us();
        read_until_error(r, &e);
        kill(server(), SIGCONT);
        assert_error(&e, ERROR_UNREACHABLE, "silent");
        /* It is silent for a second first, and then doubted for another. */
        assert_true(atomic_load(&pulse.last_us) > frozen_us);
        assert_true(ms_since(atomic_load(&pulse.last_us)) >= 500);
        assert_false(table_reader_close(r));
        table_free(t);
        database_close(db);
}

static void a_frozen_server_ends_logging_in_and_an_idle_connection_closes(void **state) {
        struct table_login login;
        struct database *idle;
        struct error e;
        char path[256];

        (void) state;
        write_file("password", password, path);
        login = pin_login(path);
        login.timeout_ms = 1000;
        idle = open_as(&login);
        kill(server(), SIGSTOP);
        database_close(idle);
        refuse(&login, &e);
        kill(server(), SIGCONT);
        assert_error(&e, ERROR_UNREACHABLE, "localhost:");
}

static int thaw(void **state) {
        (void) state;
        kill(server(), SIGCONT);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(password_file_may_end_in_one_newline),
                cmocka_unit_test(wrong_logins_are_refused_with_what_to_do),
                cmocka_unit_test(an_account_may_log_in_by_ed25519),
                cmocka_unit_test(nobody_there_is_unreachable),
                cmocka_unit_test(a_full_server_is_unreachable_for_now),
                cmocka_unit_test(tls_is_used_when_offered_and_verified_with_a_ca),
                cmocka_unit_test(missing_rights_name_the_grant),
                cmocka_unit_test(a_limit_of_the_servers_does_not_end_a_table_early),
                cmocka_unit_test(rows_that_are_not_committed_are_not_read),
                cmocka_unit_test(a_large_table_streams_without_filling_memory),
                cmocka_unit_test(a_row_too_large_is_refused_by_the_tables_name),
                cmocka_unit_test(closing_a_stream_early_is_quick_and_costs_the_connection),
                cmocka_unit_test(the_server_waits_for_a_reader_that_is_held_up),
                cmocka_unit_test(a_killed_connection_is_unreachable),
                cmocka_unit_test(a_slow_query_is_waited_for_longer_than_the_timeout),
                cmocka_unit_test(a_slow_query_is_alive_and_an_idle_connection_is_not),
                cmocka_unit_test(a_locked_table_is_said_and_not_waited_for),
                cmocka_unit_test(a_stop_from_another_thread_ends_a_call),
                cmocka_unit_test(a_greeting_that_drips_is_not_waited_for),
                cmocka_unit_test(a_stop_ends_logging_in),
                cmocka_unit_test(log_ins_that_hang_are_few_and_end_with_the_server),
                cmocka_unit_test_teardown(a_frozen_server_ends_the_call_and_closing_does_not_hang, thaw),
                cmocka_unit_test_teardown(a_frozen_server_is_not_alive, thaw),
                cmocka_unit_test_teardown(a_frozen_server_ends_logging_in_and_an_idle_connection_closes, thaw),
        };

        return cmocka_run_group_tests(tests, set_up, admin_tear_down);
}
