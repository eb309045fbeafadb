/* test.h: what every test of this room includes: cmocka with the headers it wants before it. */
#ifndef SUAN_TESTS_KERNELS_TEST_H
#define SUAN_TESTS_KERNELS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
