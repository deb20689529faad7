#include "pinfeed/base.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_LINKS = 40 };

/* The first part of an absolute path that isn't root's, else the last: links are parts, too, and are followed. */
static int find_decider(const char *path, unsigned links, struct stat *ret) {
        for (size_t end = 1; ; end++) {
                _cleanup_free_ char *part = NULL, *next = NULL;
                char target[4096];
                ssize_t n;

                end += strcspn(path + end, "/");
                part = mem_copy_bytes(path, end);
                if (lstat(part, ret) < 0)
                        return -1;
                if (ret->st_uid != 0 || (!S_ISLNK(ret->st_mode) && !path[end]))
                        return 0;
                if (!S_ISLNK(ret->st_mode))
                        continue;
                n = readlink(part, target, sizeof target);
                if (n < 0 || n == sizeof target || links == MOST_LINKS) {
                        errno = n < 0 ? errno : ELOOP;
                        return -1;
                }
                next = *target == '/' ? mem_format("%.*s%s", (int) n, target, path + end)
                       : mem_format("%.*s/%.*s%s", (int) (strrchr(part, '/') - part), part, (int) n, target, path + end);
                return find_decider(next, links + 1, ret);
        }
}

static int become(uid_t uid, gid_t gid) {
        const struct passwd *user = getpwuid(uid);

        if ((user ? initgroups(user->pw_name, gid) : setgroups(0, NULL)) < 0 || setresgid(gid, gid, gid) < 0
            || setresuid(uid, uid, uid) < 0)
                return -1;
        return prctl(PR_SET_DUMPABLE, 0);       /* the kernel has set it anew */
}

int owner_hint(struct error *e, int cause, const char *otherwise) {
        return error_hint(e, "%s", cause != EACCES ? otherwise : "Type sudo in front of pinfeed, which then becomes the directory's "
                          "owner, or set [pinfeed] state_dir to a directory of your own.");
}

int owner_become(const char *directory, struct error *e) {
        _cleanup_free_ char *here = *directory == '/' ? mem_copy_string("") : getcwd(NULL, 0);
        _cleanup_free_ char *path = mem_format("%s/%s", here ? here : "", directory);
        struct stat decider, owner;

        if (geteuid() != 0)
                return 0;
        if (stat(path, &owner) < 0 || find_decider(path, 0, &decider) < 0) {
                error_set(e, ERROR_REFUSED, "can't use the state directory %s: %s", directory, strerror(errno));
                return error_hint(e, "Make it, and give it to the user that pinfeed's service runs as: install -d -m 700 "
                                  "-o pinfeed -g pinfeed %s. Or set [pinfeed] state_dir.", directory);
        }
        if (decider.st_uid != owner.st_uid) {
                error_set(e, ERROR_REFUSED, "the state directory %s belongs to user %u, but user %u owns a part of the way "
                          "there", directory, owner.st_uid, decider.st_uid);
                return error_hint(e, "Whoever owns a part of the path can put another directory in its place, so root "
                                  "doesn't trust it: run pinfeed as the user whose directory it is, or set [pinfeed] "
                                  "state_dir to a directory to which only root's lead.");
        }
        if (owner.st_uid != 0 && become(owner.st_uid, owner.st_gid) < 0)
                return error_set(e, ERROR_FAILED, "can't become the owner of the state directory %s: %s", directory,
                                 strerror(errno));
        return 0;
}
