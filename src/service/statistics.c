#include "service/internal.h"

#include <inttypes.h>
#include <stdio.h>

/* Three digits at most tell a person all there is: "4.1 ms", "812 ms", "2.3 s". */
static const char *format_latency(double ms, char *buffer, size_t size) {
        if (ms >= 999.5)
                snprintf(buffer, size, "%.1f s", ms / 1000);
        else
                snprintf(buffer, size, ms >= 9.95 ? "%.0f ms" : "%.1f ms", ms);
        return buffer;
}

static const char *format_duration(uint64_t s, char *buffer, size_t size) {
        if (s < 120)
                snprintf(buffer, size, "%" PRIu64 " s", s);
        else if (s < 7200)
                snprintf(buffer, size, "%" PRIu64 " min", s / 60);
        else if (s < 172800)
                snprintf(buffer, size, "%" PRIu64 " h", s / 3600);
        else
                snprintf(buffer, size, "%" PRIu64 " d", s / 86400);
        return buffer;
}

void service_log_posts(struct service *s, const struct tally_snapshot *earlier, const struct tally_snapshot *now,
                       double seconds, uint64_t up_s) {
        uint64_t fresh = now->delivered - earlier->delivered;
        char counts[4][32], words[4][32], acknowledged[96] = "";

        if (fresh)
                snprintf(acknowledged, sizeof acknowledged, ", ack p50 %s p99 %s",
                         format_latency(tally_latency_ms(earlier, now, 0.5), words[0], sizeof words[0]),
                         format_latency(tally_latency_ms(earlier, now, 0.99), words[1], sizeof words[1]));
        service_log(s, SERVICE_INFO, MESSAGE_POSTS, NULL, 0,
                    "posts %s (+%s, %.1f/s), %s%s, %s failed, %s waiting, up %s",
                    text_count(now->delivered, counts[0]), text_count(fresh, counts[1]),
                    seconds > 0 ? (double) fresh / seconds : 0, text_bytes(now->bytes, words[2]), acknowledged,
                    text_count(now->failed, counts[2]), text_count(now->sent - now->delivered - now->failed, counts[3]),
                    format_duration(up_s, words[3], sizeof words[3]));
}

void service_log_statistics(struct service *s, const char *topic, const struct tally_snapshot *earlier,
                            const struct tally_snapshot *now, double seconds) {
        uint64_t fresh = now->delivered - (earlier ? earlier->delivered : 0);
        uint64_t in_flight = now->sent - now->delivered - now->failed;
        double p50 = tally_latency_ms(earlier, now, 0.5), p99 = tally_latency_ms(earlier, now, 0.99);
        char counts[4][24], latency[2][32], words[3][32], tail[96] = "";
        const struct service_field fields[] = {
                { "PINFEED_TOPIC", topic },
                { "PINFEED_DELIVERED", counts[0] },
                { "PINFEED_FAILED", counts[1] },
                { "PINFEED_IN_FLIGHT", counts[2] },
                { "PINFEED_BYTES", counts[3] },
                { "PINFEED_LATENCY_P50_MS", latency[0] },
                { "PINFEED_LATENCY_P99_MS", latency[1] },
        };

        if (!s->to_journal)
                return;
        snprintf(counts[0], sizeof counts[0], "%" PRIu64, now->delivered);
        snprintf(counts[1], sizeof counts[1], "%" PRIu64, now->failed);
        snprintf(counts[2], sizeof counts[2], "%" PRIu64, in_flight);
        snprintf(counts[3], sizeof counts[3], "%" PRIu64, now->bytes);
        snprintf(latency[0], sizeof latency[0], "%.3f", p50);
        snprintf(latency[1], sizeof latency[1], "%.3f", p99);
        if (fresh)
                snprintf(tail, sizeof tail, ", latency p50 %s p99 %s",
                         format_latency(p50, words[0], sizeof words[0]),
                         format_latency(p99, words[1], sizeof words[1]));
        service_log(s, SERVICE_INFO, MESSAGE_STATISTICS, fields, fresh ? 7 : 5,
                    "%s: %s delivered, %s failed, %s in flight, %.1f/s, %s%s", topic, counts[0], counts[1], counts[2],
                    seconds > 0 ? (double) fresh / seconds : 0, text_bytes(now->bytes, words[2]), tail);
}
