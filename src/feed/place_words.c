/* Why a cursor is refused, and what can be done about it. */
#include "place.h"

int place_refuse_foreign(struct place *p, int version, struct error *e) {
        if (version > 0)
                error_set(e, ERROR_REFUSED, "the cursor in group %s for topic %s has format version %d, which this pinfeed does "
                          "not know", p->group, p->stream->topic, version);
        else
                error_set(e, ERROR_REFUSED, "group %s has a committed offset for topic %s that is not a cursor of pinfeed: a "
                          "consumer uses this group", p->group, p->stream->topic);
        return error_hint(e, "Set [replay] group to a group that nobody else uses. If a replay came some way with this one, "
                          "begin in the new group with --from, at the key after the last one in the topic.");
}

static int changed(struct place *p, struct error *e) {
        error_set(e, ERROR_REFUSED, "stream %s: table %s, its key, columns or `where` are not what they were when the replay "
                  "began", p->stream->name, p->stream->table);
        return error_hint(e, "To send everything again in the new form: --restart. Or put the settings and the table back as they "
                          "were.");
}

/* Kafka forgets offsets of groups without members after a while; the file remembers. */
static int lost(struct place *p, const struct cursor_run *run, struct error *e) {
        _cleanup_buffer_ struct buffer key = {};

        if (!run)
                error_set(e, ERROR_REFUSED, "stream %s: the cursor in group %s is gone, which this process had committed",
                          p->stream->name, p->group);
        else {
                cursor_print_key(&(struct key) { run->last.data, run->last.length }, &key);
                error_set(e, ERROR_REFUSED, "stream %s: Kafka has no cursor in group %s, but %s says that there was one (%llu "
                          "row%s sent, last key %s): brokers forget it after offsets.retention.minutes, or the group is another",
                          p->stream->name, p->group, p->path, (unsigned long long) run->rows,
                          run->rows == 1 ? "" : "s", run->has_last ? buffer_string(&key) : "none");
        }
        return error_hint(e, "To send everything again: --restart. To send only what is missing: look up the last key in the "
                          "topic and use --from with the next one, now and in later runs, too. If the topic is new, remove "
                          "that file.");
}

static int older(struct place *p, const struct cursor_run *found, const struct cursor_run *copied, struct error *e) {
        if (copied)
                error_set(e, ERROR_REFUSED, "stream %s: the cursor in group %s says that %llu rows were sent, but %s says %llu: "
                          "Kafka has an older one", p->stream->name, p->group, (unsigned long long) found->rows, p->path,
                          (unsigned long long) copied->rows);
        else
                error_set(e, ERROR_REFUSED, "stream %s: the cursor in group %s went back to %llu rows, this process had "
                          "committed more", p->stream->name, p->group, (unsigned long long) found->rows);
        return error_hint(e, "Has an old state of the brokers been put back? To send everything again: --restart. To go on: look "
                          "up the last key in the topic and use --from with the next one. To believe Kafka: remove the file.");
}

static int elsewhere(struct place *p, struct error *e) {
        error_set(e, ERROR_REFUSED, "stream %s: %s says how far a replay to topic %s of cluster %s came, and this is %s of %s",
                  p->stream->name, p->path, *p->cursor.topic ? p->cursor.topic : p->stream->topic,
                  *p->cursor.cluster ? p->cursor.cluster : "(unknown)", p->stream->topic,
                  p->cluster ? p->cluster : "(unknown)");
        return error_hint(e, "To send everything to this one: --restart. Or put [kafka] bootstrap.servers back as it was.");
}

int place_refuse(struct place *p, enum decision decision, const char *id, struct error *e) {
        const struct cursor_run *found = cursor_find(&p->cursor, id), *copied = cursor_find(&p->copy, id);

        switch (decision) {
        case DECIDE_REFUSE_CHANGED:
                return changed(p, e);
        case DECIDE_REFUSE_LOST:
                return lost(p, p->claimed ? NULL : copied, e);
        case DECIDE_REFUSE_OLDER:
                return older(p, found, p->claimed ? NULL : copied, e);
        case DECIDE_REFUSE_ELSEWHERE:
                return elsewhere(p, e);
        case DECIDE_BEGIN:
        case DECIDE_RESUME:
        case DECIDE_RESTART:
                break;
        }
        abort();
}
