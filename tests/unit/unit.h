/* cmocka wants these before itself. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* cmocka 2 deprecates its own and has other names, which cmocka 1 lacks. */
#undef assert_in_range
#define assert_in_range(value, least, greatest) unit_assert_in_range(value, least, greatest, __FILE__, __LINE__)
static inline void unit_assert_in_range(uintmax_t value, uintmax_t least, uintmax_t greatest, const char *file, int line) {
        if (value >= least && value <= greatest)
                return;
        print_error("%ju is not within %ju and %ju\n", value, least, greatest);
        _fail(file, line);
}
#endif
