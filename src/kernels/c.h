/* c.h: the reference functions by name, one for each entry of the table, declared through the shared function types. */
#ifndef SUAN_KERNELS_C_H
#define SUAN_KERNELS_C_H

#include "kernels/kernels.h"

#define SUAN__DECLARE_C(field, type) type suan__##field##_c;
SUAN__KERNEL_MAP(SUAN__DECLARE_C)
#undef SUAN__DECLARE_C
#define SUAN__DECLARE_C(name) suan__matmul_fn suan__matmul_##name##_c;
SUAN__WEIGHT_MAP(SUAN__DECLARE_C)
#undef SUAN__DECLARE_C
#define SUAN__DECLARE_C(name) suan__expand_fn suan__expand_##name##_c;
SUAN__WEIGHT_MAP(SUAN__DECLARE_C)
#undef SUAN__DECLARE_C

#endif
