/* cmocka wants these before itself. */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
/* cmocka 2 has other names for these. */
#undef assert_in_range
#undef assert_not_in_range
#pragma GCC poison assert_in_range assert_not_in_range
#endif
