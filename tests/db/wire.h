/* A MySQL server's end of a connection, spoken by hand. */
#ifndef TESTS_WIRE_H
#define TESTS_WIRE_H

#include <string.h>
#include <sys/socket.h>

#include "pinfeed/base.h"

struct wire {
        int fd;                                 /* of the client that is talked to */
        unsigned char sequence;
        struct buffer said;                     /* all that the clients said */
        size_t packets;
};

static const char WIRE_OK[7] = "\0\0\0\x02\0\0", WIRE_END[5] = "\xfe\0\0\x02";

static inline void wire_send(struct wire *w, const void *bytes, size_t length) {
        unsigned char head[] = { (unsigned char) length, (unsigned char) (length >> 8), (unsigned char) (length >> 16),
                                 w->sequence++ };

        send(w->fd, head, sizeof head, MSG_NOSIGNAL | MSG_MORE);
        send(w->fd, bytes, length, MSG_NOSIGNAL);
}

static inline bool wire_receive(struct wire *w, void *to, size_t length) {
        return recv(w->fd, to, length, MSG_WAITALL) == (ssize_t) length;
}

/* The client's next packet, at the end of `said`; false: it has left, or said no whole one in time. */
static inline bool wire_listen(struct wire *w, const char **ret, size_t *ret_length) {
        unsigned char head[4];
        size_t length;

        if (!wire_receive(w, head, sizeof head))
                return false;
        length = head[0] | (size_t) head[1] << 8 | (size_t) head[2] << 16;
        w->sequence = (unsigned char) (head[3] + 1);
        if (!wire_receive(w, buffer_reserve(&w->said, length), length))
                return false;
        w->said.length += length;
        w->packets++;
        *ret = buffer_string(&w->said) + w->said.length - length;
        *ret_length = length;
        return true;
}

/* A server of MySQL 8 that logs in by this plugin. */
static inline void wire_greet(struct wire *w, const char *plugin, bool tls) {
        enum {
                PROTOCOL_41 = 0x200, LOCAL_FILES = 0x80, SSL_OFFERED = 0x800, SECURE = 0x8000, WITH_DB = 8, PLUGIN_AUTH = 0x80000,
                PLAIN = 1 | WITH_DB | LOCAL_FILES | PROTOCOL_41 | 0x2000 | SECURE | PLUGIN_AUTH,
        };
        unsigned capabilities = PLAIN | (tls ? SSL_OFFERED : 0);
        struct buffer b = {};

        w->sequence = 0;
        buffer_append(&b, "\x0a" "8.0.36\0" "\x01\0\0\0" "abcdefgh\0", 21);
        buffer_append(&b, (char[]) { (char) capabilities, (char) (capabilities >> 8), 45, 2, 0,
                                     (char) (capabilities >> 16), (char) (capabilities >> 24), 21 }, 8);
        buffer_append(&b, "\0\0\0\0\0\0\0\0\0\0" "ijklmnopqrst\0", 23);
        buffer_append(&b, plugin, strlen(plugin) + 1);
        wire_send(w, b.data, b.length);
        buffer_free(&b);
}

#endif
