#include "service/internal.h"

/* Random once, fixed for ever: other people search their journals for them. The catalog explains each. */
static const char *const message_ids[MESSAGE_KINDS] = {
        [MESSAGE_STARTED] = "15fc1281a5e444fd85e5062a0db2e172",
        [MESSAGE_STOPPED] = "2f9f36450e944a058fdf7e90f4246664",
        [MESSAGE_STATISTICS] = "3f61c630c34b40eda68233182f296fa3",
        [MESSAGE_POSTS] = "66bfe336548d42d6a7c771603e926571",
        [MESSAGE_TOKEN] = "6afe8138d02b4e3f84cfee54987de08e",
        [MESSAGE_TOKEN_FAILING] = "cd9213f5223b4d85bf1e5e84130c51eb",
        [MESSAGE_WAITING] = "cd409000c18547639ed7cd4590d4c531",
        [MESSAGE_RESUMED] = "cd455a1122ec435397b8475465db0c9c",
        [MESSAGE_PARTITIONS] = "26d28edbab0a46c7846140869064470b",
        [MESSAGE_RESENT] = "70c19b4f824541e89f72492a3003c0f3",
        [MESSAGE_REPLAY_PROGRESS] = "bd202ec0c4484195a22c4a26abb1b90f",
        [MESSAGE_REPLAY_FINISHED] = "f307b6ceb6da4325992d893f37629c5f",
        [MESSAGE_FOLLOW] = "481c6528222f48b18b3be37fb85ac319",
        [MESSAGE_RECOVERING] = "4eed74e8c6854e81b84739782c632393",
        [MESSAGE_RELOADED] = "79a641ebba7f475a95dd53415f1815b7",
        [MESSAGE_NOTE] = "971457c6338d4c1ea1e4173cbf6f8564",
        [MESSAGE_FAILED] = "999f97eb2060483a983fcd16d5a6bc53",
};

const char *service_message_id(enum service_message kind) {
        return message_ids[kind];
}
