/* What the feeds of a run share. */
#include "own.h"

void feed_run_init(struct feed_run *run, const struct config *config, const struct options *o) {
        *run = (struct feed_run) {
                .session.config = config, .from = o->from, .to = o->to, .restart = o->restart, .dry_run = o->dry_run,
                .commit_rows = config->replay_commit_rows, .start_ms = clock_wall_ms(),
        };
        run->feeds = mem_zero(config->stream_count, sizeof *run->feeds);
        for (size_t i = 0; i < config->stream_count; i++)
                if (options_want_stream(o, config->streams[i].name))
                        run->feeds[run->count++] = feed_new(run, &config->streams[i]);
        run->unready = run->count;
        if (o->from || o->to)
                cursor_bounded_id(o->from, o->to, run->id);
        pthread_mutex_init(&run->restart_lock, NULL);
}

void feed_run_done(struct feed_run *run) {
        for (size_t i = 0; i < run->count; i++)
                feed_free(run->feeds[i]);
        pthread_mutex_destroy(&run->restart_lock);
        session_done(&run->session);
        free(run->feeds);
}

void feed_run_wake(struct feed_run *run) {
        for (size_t i = 0; i < run->count; i++)
                feed_wake(run->feeds[i]);
}
