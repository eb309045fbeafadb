/* isa.h: how the variants for an instruction set join the table: each level has one function that overlays its entries on the table that
 * the levels below it have filled. The build defines SUAN__HAVE_<LEVEL> for the levels that it compiles. */
#ifndef SUAN_KERNELS_ISA_H
#define SUAN_KERNELS_ISA_H

#include "kernels/kernels.h"

/* C fills every entry; AVX2 (with FMA and F16C) overlays C; AVX-512 (F, BW, VL, DQ, VNNI) overlays AVX2;
 * AMX adds products of many columns to AVX-512; NEON overlays C. They set name. */
void suan__kernels_fill_c(suan__kernels *t);
void suan__kernels_overlay_avx2(suan__kernels *t);
void suan__kernels_overlay_avxvnni(suan__kernels *t); /* the integer products of AVX2 by AVX-VNNI */
void suan__kernels_overlay_avx512(suan__kernels *t);
void suan__kernels_overlay_amx(suan__kernels *t);
void suan__kernels_overlay_neon(suan__kernels *t);
void suan__kernels_overlay_dotprod(suan__kernels *t); /* the integer products of NEON by other instructions */
void suan__kernels_overlay_i8mm(suan__kernels *t);    /* and those of DOTPROD */

/* What the processor and the operating system let a program use. */
bool suan__cpu_has_avx2(void);    /* AVX2, FMA, F16C and saved YMM state */
bool suan__cpu_has_avxvnni(void); /* the above and AVX-VNNI */
bool suan__cpu_has_avx512(void);  /* AVX2 and the rest above, F, BW, VL, DQ, VNNI and saved ZMM state */
/* The above, AMX's tiles and int8 products, and tile state that the system saves and grants: on Linux a process has to ask for it, which this
 * does (Documentation/arch/x86/xstate.rst). What it asks for stays granted. */
bool suan__cpu_has_amx(void);
bool suan__cpu_has_neon(void); /* AArch64: always */
/* AArch64: SDOT, and SMMLA with it. */
bool suan__cpu_has_dotprod(void);
bool suan__cpu_has_i8mm(void);

#endif
