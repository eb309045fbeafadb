/* fp_env.c: the floating point environment of the numeric contract.
 *
 * The control register is read whole, set to the contract's and given back whole: rounding mode, flush-to-zero, denormals-are-zero and the
 * trap masks all live in it.
 */
#include "base/thread.h"

#if defined(__x86_64__)
/* Intel SDM volume 1, 10.2.3: all exceptions masked (bits 7..12), round to nearest, FZ (15) and DAZ (6) off, no sticky flags. */
enum { MXCSR_CONTRACT = 0x1F80 };

uint64_t suan__fp_enter(void) {
    uint32_t saved = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(MXCSR_CONTRACT);
    return saved;
}

void suan__fp_leave(uint64_t saved) {
    __builtin_ia32_ldmxcsr((uint32_t)saved);
}
#elif defined(__aarch64__)
/* Arm ARM, FPCR: zero is round to nearest, no traps, FZ, FZ16, DN and AHP off. */
uint64_t suan__fp_enter(void) {
    uint64_t saved;
    __asm__ volatile("mrs %0, fpcr" : "=r"(saved)::"memory");
    __asm__ volatile("msr fpcr, %0" ::"r"((uint64_t)0) : "memory");
    return saved;
}

void suan__fp_leave(uint64_t saved) {
    __asm__ volatile("msr fpcr, %0" ::"r"(saved) : "memory");
}
#else
/* Elsewhere C knows the rounding mode; RISC-V, POWER and the like have no flush-to-zero in it. */
#include <fenv.h>

uint64_t suan__fp_enter(void) {
    int saved = fegetround();
    fesetround(FE_TONEAREST);
    return (uint64_t)saved;
}

void suan__fp_leave(uint64_t saved) {
    fesetround((int)saved);
}
#endif
