/* limits: how long each wait may last, in one place, and the proof that they add up. A part of base.
 *
 * Whoever waits looks at least every LIMIT_SLICE_MS whether a stop was asked for, and says that it is alive. From the
 * stop on, what is under way is delivered until LIMIT_STOP_DELIVER_MS have passed, then everything is let go.
 */
#ifndef PINFEED_LIMITS_H
#define PINFEED_LIMITS_H

enum {
        LIMIT_SLICE_MS = 500,

        /* ---- from SIGTERM (or a failure that stops the other workers) to the process's end ---- */
        LIMIT_STOP_MS = 12000,                  /* in all, for every job; README, pinfeed(8) and the units say so, too */
        LIMIT_STOP_DELIVER_MS = 6000,           /* records on their way, the commit of a transaction */
        LIMIT_STOP_DATABASE_MS = 500,           /* the end of a connection to MySQL */
        LIMIT_STOP_PURGE_MS = 500,              /* delivery reports of what was given up */
        LIMIT_STOP_HANDLE_MS = 4000,            /* the end of a librdkafka handle, which has no limit of its own */
        LIMIT_LAST_WORDS_MS = 200,              /* journald looks up who sent a line after it was sent */
        LIMIT_STOP_WORKERS_MS = LIMIT_STOP_MS - LIMIT_LAST_WORDS_MS,    /* then the process ends without its workers */

        /* ---- signs of life ---- */
        LIMIT_ALIVE_MS = 10000,                 /* a worker that has been silent for longer is not alive */
        LIMIT_READY_MS = 9000,                  /* READY comes with the first verdict, or after this much */

        /* ---- one call, while nobody asks for a stop ---- */
        LIMIT_DATABASE_MS = 4000,               /* connecting to MySQL, writing to it, its silence before it is asked */
        LIMIT_CONNECT_MS = 1000,                /* one look whether a broker has let us in */
        LIMIT_TOPIC_MS = 10000,                 /* a topic's metadata, the right to write */
        LIMIT_GROUP_MS = 20000,                 /* a group's members, a topic's offsets */
        LIMIT_CREATE_TOPIC_MS = 30000,
        LIMIT_HANDLE_MS = 20000,                /* the end of a librdkafka handle; later the process ends itself */
        LIMIT_READER_MS = 10000,                /* the same for a handle that only reads a cursor */
        LIMIT_INIT_MS = 60000,                  /* init_transactions: somebody's transaction may have to time out first */
        LIMIT_CURSOR_MS = 60000,                /* a stable cursor: likewise */
        LIMIT_COMMIT_MS = 60000,
        LIMIT_NO_ROOM_MS = 60000,               /* how long Kafka may take no record of a replay */
        LIMIT_PATIENCE_MS = 20000,              /* how long a job that is no daemon tries to reach somebody, each time */
        LIMIT_BRIEF_MS = 5000,                  /* the same for --check, which reports instead */
        LIMIT_SAY_MS = 1500,                    /* a wait that lasts for longer says what for ... */
        LIMIT_SAY_AGAIN_S = 86400,              /* ... and, after 1, 10 and 60 minutes, once in this time */
        LIMIT_SAY_NEWS_S = 3600,                /* what was said so recently is counted, unless it lasts for a minute */
        LIMIT_PAUSE_MS = 3000,                  /* the longest pause between two tries */
        LIMIT_TOKEN_MS = 28000,                 /* all of one search for credentials; a stop ends it at once */
};

_Static_assert(LIMIT_SLICE_MS + LIMIT_STOP_DELIVER_MS + LIMIT_STOP_DATABASE_MS + LIMIT_STOP_PURGE_MS
               + LIMIT_STOP_HANDLE_MS <= LIMIT_STOP_WORKERS_MS, "a worker that stops ends before it is left behind");
_Static_assert(LIMIT_STOP_WORKERS_MS + LIMIT_LAST_WORDS_MS <= LIMIT_STOP_MS, "the last words are heard in time");
_Static_assert(LIMIT_SLICE_MS * 2 < LIMIT_ALIVE_MS && LIMIT_CONNECT_MS < LIMIT_ALIVE_MS, "who waits in slices is alive");
_Static_assert(LIMIT_READY_MS < LIMIT_ALIVE_MS, "READY does not wait for a worker that hangs");

#endif
