/* steps: a library for LD_PRELOAD that knows how far pinfeed's transactions are, and can end or stop it at one step.
 *
 * What it sees goes into the file $STEPS_FILE (struct steps_file, mapped; read by tests/rig/steps.py), so that a test
 * that kills the process afterwards knows what it killed. A slot belongs to a handle; its name is the transactional id.
 * rd_kafka_produce_batch doesn't say which handle it is, but is called by the thread that initialised it.
 *
 * $STEPS_DO: `CALL:WHEN:N:ACTION`, several separated by spaces. CALL: init, begin, produce, offsets, commit, abort,
 * committed, or `any`; WHEN: before, after; N: the n-th of a handle, once a process, or 0 for each; ACTION: kill, stop, or
 * a number of milliseconds to sleep, `<N` for a random number below N.
 */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum call { INIT, BEGIN, PRODUCE, OFFSETS, COMMIT, ABORT, COMMITTED, CALLS };
static const char *const call_names[CALLS] = { "init", "begin", "produce", "offsets", "commit", "abort", "committed" };

enum phase { IDLE, OPEN, OFFSETS_SENT, COMMITTING };

enum { SLOTS = 64 };

/* Little-endian, no padding; see tests/rig/steps.py. */
struct slot {
        char name[96];
        _Atomic uint32_t phase;
        _Atomic uint32_t calls[CALLS];          /* that returned without an error */
};

struct steps_file {
        _Atomic uint32_t used, unused;
        struct slot slots[SLOTS];
};

static struct steps_file *file;

/* What only this process knows of a slot. */
static struct {
        rd_kafka_t *rk;
        unsigned begun[CALLS + 1], ended[CALLS + 1];    /* the last: of any call */
} known[SLOTS];
static _Thread_local uint32_t mine = SLOTS;

static void *real(const char *name) {
        void *f = dlsym(RTLD_NEXT, name);

        if (!f)
                abort();
        return f;
}

__attribute__((constructor)) static void open_file(void) {
        const char *path = getenv("STEPS_FILE");
        int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;

        if (fd < 0 || ftruncate(fd, sizeof *file) < 0)
                abort();
        file = mmap(NULL, sizeof *file, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (file == MAP_FAILED)
                abort();
        close(fd);
}

static uint32_t take_slot(rd_kafka_t *rk, const char *name) {
        uint32_t i = atomic_fetch_add(&file->used, 1);

        if (i >= SLOTS)
                abort();
        known[i].rk = rk;
        snprintf(file->slots[i].name, sizeof file->slots[i].name, "%s", name);
        return i;
}

/* The newest: a handle may get the address of one that is gone. */
static uint32_t find_slot(rd_kafka_t *rk) {
        for (uint32_t i = file->used; i > 0; i--)
                if (known[i - 1].rk == rk)
                        return i - 1;
        return take_slot(rk, "");
}

static void sleep_ms(unsigned ms) {
        nanosleep(&(struct timespec) { ms / 1000, (long) (ms % 1000) * 1000000 }, NULL);
}

static void act(const char *action) {
        unsigned random;

        if (strcmp(action, "kill") == 0)
                kill(getpid(), SIGKILL);
        else if (strcmp(action, "stop") == 0)
                kill(getpid(), SIGSTOP);
        else if (*action != '<')
                sleep_ms((unsigned) atoi(action));
        else if (getentropy(&random, sizeof random) == 0)
                sleep_ms(random % (unsigned) atoi(action + 1));
}

static void look(enum call call, const char *when, unsigned number, unsigned number_of_any) {
        static atomic_bool fired[8];
        const char *rest = getenv("STEPS_DO");
        int used = 0;

        for (size_t rule = 0; rest && rule < 8; rest += used, rule++) {
                char name[16], at[8], action[16];
                unsigned n;

                if (sscanf(rest, " %15[a-z]:%7[a-z]:%u:%15[a-z0-9<]%n", name, at, &n, action, &used) != 4)
                        return;
                if (strcmp(at, when) != 0)
                        continue;
                if (n != 0 && n != (strcmp(name, "any") == 0 ? number_of_any : number))
                        continue;
                if (strcmp(name, "any") != 0 && strcmp(name, call_names[call]) != 0)
                        continue;
                if (n == 0 || !atomic_exchange(&fired[rule], 1))
                        act(action);
        }
}

static void before(uint32_t i, enum call call) {
        known[i].begun[CALLS]++;
        look(call, "before", ++known[i].begun[call], known[i].begun[CALLS]);
}

static void after(uint32_t i, enum call call, int done, enum phase phase) {
        if (done) {
                file->slots[i].phase = phase;
                file->slots[i].calls[call]++;
        }
        known[i].ended[CALLS]++;
        look(call, "after", ++known[i].ended[call], known[i].ended[CALLS]);
}

/* ---- the calls ---- */

rd_kafka_error_t *rd_kafka_init_transactions(rd_kafka_t *rk, int timeout_ms) {
        rd_kafka_error_t *(*f)(rd_kafka_t *, int) = real("rd_kafka_init_transactions");
        char name[96] = "";
        size_t size = sizeof name;
        rd_kafka_error_t *error;

        rd_kafka_conf_get(rd_kafka_conf(rk), "transactional.id", name, &size);
        mine = find_slot(rk);
        if (strcmp(file->slots[mine].name, name) != 0)
                mine = take_slot(rk, name);
        before(mine, INIT);
        error = f(rk, timeout_ms);
        after(mine, INIT, !error, IDLE);
        return error;
}

rd_kafka_error_t *rd_kafka_begin_transaction(rd_kafka_t *rk) {
        rd_kafka_error_t *(*f)(rd_kafka_t *) = real("rd_kafka_begin_transaction");
        uint32_t slot = find_slot(rk);
        rd_kafka_error_t *error;

        before(slot, BEGIN);
        error = f(rk);
        after(slot, BEGIN, !error, OPEN);
        return error;
}

/* One by one, so that each is a step. */
int rd_kafka_produce_batch(rd_kafka_topic_t *rkt, int32_t partition, int flags, rd_kafka_message_t *messages, int count) {
        static int (*f)(rd_kafka_topic_t *, int32_t, int, rd_kafka_message_t *, int);
        int taken = 0;

        if (!f)
                f = real("rd_kafka_produce_batch");
        if (mine == SLOTS)
                mine = take_slot(NULL, "");
        for (int i = 0; i < count; i++) {
                int r;

                before(mine, PRODUCE);
                r = f(rkt, partition, flags, messages + i, 1);
                after(mine, PRODUCE, r == 1, file->slots[mine].phase);
                taken += r;
        }
        return taken;
}

rd_kafka_error_t *rd_kafka_send_offsets_to_transaction(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets,
                                                       const rd_kafka_consumer_group_metadata_t *group, int timeout_ms) {
        rd_kafka_error_t *(*f)(rd_kafka_t *, const rd_kafka_topic_partition_list_t *,
                               const rd_kafka_consumer_group_metadata_t *, int) = real("rd_kafka_send_offsets_to_transaction");
        uint32_t slot = find_slot(rk);
        rd_kafka_error_t *error;

        before(slot, OFFSETS);
        error = f(rk, offsets, group, timeout_ms);
        after(slot, OFFSETS, !error, OFFSETS_SENT);
        return error;
}

rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *rk, int timeout_ms) {
        rd_kafka_error_t *(*f)(rd_kafka_t *, int) = real("rd_kafka_commit_transaction");
        uint32_t slot = find_slot(rk);
        rd_kafka_error_t *error;

        file->slots[slot].phase = COMMITTING;
        before(slot, COMMIT);
        error = f(rk, timeout_ms);
        after(slot, COMMIT, !error, IDLE);
        return error;
}

rd_kafka_error_t *rd_kafka_abort_transaction(rd_kafka_t *rk, int timeout_ms) {
        rd_kafka_error_t *(*f)(rd_kafka_t *, int) = real("rd_kafka_abort_transaction");
        uint32_t slot = find_slot(rk);
        rd_kafka_error_t *error;

        before(slot, ABORT);
        error = f(rk, timeout_ms);
        after(slot, ABORT, !error, IDLE);
        return error;
}

rd_kafka_resp_err_t rd_kafka_committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions, int timeout_ms) {
        rd_kafka_resp_err_t (*f)(rd_kafka_t *, rd_kafka_topic_partition_list_t *, int) = real("rd_kafka_committed");
        rd_kafka_resp_err_t code;

        if (mine == SLOTS)
                mine = take_slot(NULL, "");
        before(mine, COMMITTED);
        code = f(rk, partitions, timeout_ms);
        after(mine, COMMITTED, !code, file->slots[mine].phase);
        return code;
}
