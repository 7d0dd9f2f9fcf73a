/* coro.c: coroutines with stacks of their own.
 *
 * Go's goroutines run on stacks that start at 2 KB and are moved when they grow. C cannot move a stack, so here each has 64 KB
 * of address space, of which the system supplies the pages that are touched: mostly one.
 *
 *     slab    | guard | stack 0 . . . . | guard | stack 1 . . . . | ...    64 of them, one mapping
 *                      low        sp <- top
 *
 * SWITCH. The registers that a called function must keep are pushed, the stack pointers are exchanged, the other's are
 * popped. What a caller may lose the compiler has saved around the call. A new coroutine finds on its stack what a switch
 * would have left there, with a return address that calls its entry.
 *
 *   S1  A context runs on one thread at a time, and not before the switch away from it has ended: its stack pointer is stored
 *       before the switch returns in the other. Whoever hands a context to another thread does that from the other
 *       context (sched.c: park) and orders it by its own means.
 *   S2  A coroutine may resume on another thread. Its code must not keep the address of a thread-local variable across a
 *       switch, and compilers do keep them: code that runs on coroutines here is given what it needs as arguments and touches
 *       no thread-local variable between two points where it can be switched away.
 *   S3  Running off a stack ends in a fault at its guard page, not in somebody else's stack.
 *   S4  Floating-point modes (rounding, flush to zero) belong to the thread: nobody here changes them.
 *
 * GUARD PAGES cost no mapping of their own where the kernel knows MADV_GUARD_INSTALL (Linux 6.13): 10^5 coroutines are 1,563
 * mappings. Elsewhere a guard splits a mapping in two, and at Linux's usual limit of 65,530 mappings about 32,000
 * coroutines are had; the next is refused (GM_E_NOMEM), not made without its guard.
 *
 * COLOURS. Stacks lie 17 pages apart and begin up to 2 KB below their top, so that the lines that all of them touch do
 * not fall into the same few sets of the caches.
 *
 * SANITIZERS are told of every switch: the thread sanitizer sees each coroutine as a thread of its own and a switch as ordered
 * (it is: both sides run on one thread); the address sanitizer learns which stack is in use.
 *
 * Rejected: ucontext, a system call for each switch (for the signal mask): it is kept for processors without assembly below
 * and to test against (GM_CORO_PORTABLE). Rejected: the goroutine's record at the top of its stack, which puts all records
 * into the same sets of the caches.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS, madvise */
#include "sched/coro.h"

#include "base/atomics.h"

#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

enum { stacksOfSlab = 64, colours = 32, colourBytes = 64 };

/* ------------------------------------------------------------------ what sanitizers are told */

static void tell_departure(gm_context *from, gm_context *to, bool for_good)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(for_good ? NULL : &from->fake, to->stack.low, to->stack.size);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to->fiber, 0);
#endif
    to->from = from;
    (void)for_good;
}

/* Also learns a thread's own stack, when something comes from there for the first time. */
static void tell_arrival(gm_context *c)
{
#if defined(__SANITIZE_ADDRESS__)
    const void *low;
    __sanitizer_finish_switch_fiber(c->fake, &low, &c->from->stack.size);
    c->from->stack.low = (unsigned char *)(uintptr_t)low;
#endif
    (void)c;
}

static void tell_making(gm_context *c)
{
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(c->stack.low, c->stack.size); /* the frames of its last run never returned */
#endif
#if defined(__SANITIZE_THREAD__)
    if (!c->fiber)
        c->fiber = __tsan_create_fiber(0);
#endif
    c->fake = NULL;
}

void gm_context_adopt(gm_context *c)
{
    *c = (gm_context){0};
#if defined(__SANITIZE_THREAD__)
    c->fiber = __tsan_get_current_fiber();
#endif
}

void gm_context_drop(gm_context *c)
{
#if defined(__SANITIZE_THREAD__)
    if (c->fiber)
        __tsan_destroy_fiber(c->fiber);
#endif
    c->fiber = NULL;
}

/* ------------------------------------------------------------------ the switch */

static void begin(void *context)
{
    gm_context *c = context;
    tell_arrival(c);
    c->entry(c->arg);
}

#if defined(GM_CORO_PORTABLE)
static void begin_portable(unsigned high, unsigned low)
{
    begin((void *)(uintptr_t)((uint64_t)high << 32 | low));
}

static void lay_out(gm_context *c, unsigned char *top)
{
    uint64_t address = (uint64_t)(uintptr_t)c;
    getcontext(&c->portable);
    c->portable.uc_stack.ss_sp = c->stack.low;
    c->portable.uc_stack.ss_size = (size_t)(top - c->stack.low);
    c->portable.uc_link = NULL;
    makecontext(&c->portable, (void (*)(void))begin_portable, 2, (unsigned)(address >> 32), (unsigned)address);
}

static void swap(gm_context *from, gm_context *to)
{
    swapcontext(&from->portable, &to->portable);
}
#else
void gm_coro_swap(void **save, void *load) __asm__("gm_coro_swap");
void gm_coro_begin(void) __asm__("gm_coro_begin");

#if defined(__ELF__)
#define LOCAL(name) ".globl " name "\n.hidden " name "\n.type " name ", %function\n.p2align 4\n" name ":\n"
#else
#define LOCAL(name) ".globl " name "\n.private_extern " name "\n.p2align 4\n" name ":\n"
#endif

#if defined(__x86_64__)
enum { savedWords = 6, beginAt = 6, entryAt = 4, argAt = 3 }; /* r15 r14 r13 r12 rbx rbp, return address */
__asm__(".text\n" LOCAL("gm_coro_swap") "    .cfi_startproc\n"
                                        "    pushq %rbp\n    .cfi_adjust_cfa_offset 8\n"
                                        "    pushq %rbx\n    .cfi_adjust_cfa_offset 8\n"
                                        "    pushq %r12\n    .cfi_adjust_cfa_offset 8\n"
                                        "    pushq %r13\n    .cfi_adjust_cfa_offset 8\n"
                                        "    pushq %r14\n    .cfi_adjust_cfa_offset 8\n"
                                        "    pushq %r15\n    .cfi_adjust_cfa_offset 8\n"
                                        "    movq %rsp, (%rdi)\n"
                                        "    movq %rsi, %rsp\n"
                                        "    popq %r15\n    .cfi_adjust_cfa_offset -8\n"
                                        "    popq %r14\n    .cfi_adjust_cfa_offset -8\n"
                                        "    popq %r13\n    .cfi_adjust_cfa_offset -8\n"
                                        "    popq %r12\n    .cfi_adjust_cfa_offset -8\n"
                                        "    popq %rbx\n    .cfi_adjust_cfa_offset -8\n"
                                        "    popq %rbp\n    .cfi_adjust_cfa_offset -8\n"
                                        "    ret\n"
                                        "    .cfi_endproc\n");
__asm__(".text\n" LOCAL("gm_coro_begin") "    .cfi_startproc\n"
                                         "    .cfi_undefined rip\n" /* nobody called */
                                         "    movq %r12, %rdi\n"
                                         "    xorl %ebp, %ebp\n"
                                         "    call *%rbx\n"
                                         "    ud2\n"
                                         "    .cfi_endproc\n");
#else
enum { savedWords = 20, beginAt = 11, entryAt = 0, argAt = 1 }; /* x19 to x28, x29, x30, d8 to d15 */
__asm__(".text\n" LOCAL("gm_coro_swap") "    .cfi_startproc\n"
                                        "    sub sp, sp, #160\n"
                                        "    stp x19, x20, [sp, #0]\n"
                                        "    stp x21, x22, [sp, #16]\n"
                                        "    stp x23, x24, [sp, #32]\n"
                                        "    stp x25, x26, [sp, #48]\n"
                                        "    stp x27, x28, [sp, #64]\n"
                                        "    stp x29, x30, [sp, #80]\n"
                                        "    stp d8, d9, [sp, #96]\n"
                                        "    stp d10, d11, [sp, #112]\n"
                                        "    stp d12, d13, [sp, #128]\n"
                                        "    stp d14, d15, [sp, #144]\n"
                                        "    mov x9, sp\n"
                                        "    str x9, [x0]\n"
                                        "    mov sp, x1\n"
                                        "    ldp x19, x20, [sp, #0]\n"
                                        "    ldp x21, x22, [sp, #16]\n"
                                        "    ldp x23, x24, [sp, #32]\n"
                                        "    ldp x25, x26, [sp, #48]\n"
                                        "    ldp x27, x28, [sp, #64]\n"
                                        "    ldp x29, x30, [sp, #80]\n"
                                        "    ldp d8, d9, [sp, #96]\n"
                                        "    ldp d10, d11, [sp, #112]\n"
                                        "    ldp d12, d13, [sp, #128]\n"
                                        "    ldp d14, d15, [sp, #144]\n"
                                        "    add sp, sp, #160\n"
                                        "    ret\n"
                                        "    .cfi_endproc\n");
__asm__(".text\n" LOCAL("gm_coro_begin") "    .cfi_startproc\n"
                                         "    .cfi_undefined x30\n" /* nobody called */
                                         "    mov x0, x20\n"
                                         "    blr x19\n"
                                         "    brk #1\n"
                                         "    .cfi_endproc\n");
#endif

/* What a switch away would have left: the words that swap pops, with x86's return address above them. The words begin at a
 * multiple of 16 on ARM, and on x86 such that the stack is aligned when begin calls. */
static void lay_out(gm_context *c, unsigned char *top)
{
    void **words = (void **)(void *)top - (savedWords + (beginAt == savedWords ? 2 : 0));
    memset(words, 0, (size_t)(top - (unsigned char *)words));
    if (beginAt == savedWords)
        words++; /* seven words below a multiple of 16: after them it is one */
    words[beginAt] = (void *)gm_coro_begin;
    words[entryAt] = (void *)begin;
    words[argAt] = c;
    c->sp = words;
}

static void swap(gm_context *from, gm_context *to)
{
    gm_coro_swap(&from->sp, to->sp);
}
#endif

void gm_context_make(gm_context *c, gm_stack stack, void (*entry)(void *), void *arg)
{
    c->entry = entry;
    c->arg = arg;
    c->stack = stack;
    tell_making(c);
    size_t colour = ((uintptr_t)stack.low / gm_stack_bytes) % colours * colourBytes;
    lay_out(c, stack.low + stack.size - colour);
}

void gm_context_switch(gm_context *from, gm_context *to)
{
    tell_departure(from, to, false);
    swap(from, to);
    tell_arrival(from);
}

void gm_context_leave(gm_context *from, gm_context *to)
{
    tell_departure(from, to, true);
    swap(from, to);
}

/* ------------------------------------------------------------------ stacks */

struct gm_slab {
    gm_slab *next;
    unsigned char *memory;
    size_t stride; /* from one stack to the next, guard and all */
};

static size_t guard_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static bool guard(unsigned char *page, size_t bytes)
{
#if defined(__linux__)
    enum { guardInstall = 102 }; /* MADV_GUARD_INSTALL, not in every C library's headers yet */
    if (madvise(page, bytes, guardInstall) == 0)
        return true;
#endif
    return mprotect(page, bytes, PROT_NONE) == 0;
}

static unsigned char *map_slab(size_t stride)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
#if defined(__linux__)
    flags |= MAP_NORESERVE | MAP_STACK;
#endif
    unsigned char *memory = mmap(NULL, stacksOfSlab * stride, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
#if defined(__linux__)
    madvise(memory, stacksOfSlab * stride, MADV_NOHUGEPAGE); /* a huge page would make thirty stacks resident; a hint */
#endif
    for (size_t i = 0; i < stacksOfSlab; i++) {
        if (!guard(memory + i * stride, guard_bytes())) {
            munmap(memory, stacksOfSlab * stride);
            return NULL;
        }
    }
    return memory;
}

static int add_slab(gm_stacks *s)
{
    gm_slab *slab = s->alloc->zalloc(s->alloc->ctx, sizeof *slab);
    if (!slab)
        return GM_E_NOMEM;
    slab->stride = guard_bytes() + gm_stack_bytes;
    slab->memory = map_slab(slab->stride);
    if (!slab->memory) {
        s->alloc->release(s->alloc->ctx, slab, sizeof *slab);
        return GM_E_NOMEM;
    }
    slab->next = s->slabs;
    s->slabs = slab;
    s->left = stacksOfSlab;
    return GM_OK;
}

int gm_stacks_take(gm_stacks *s, gm_stack *out)
{
    if (s->left == 0 && add_slab(s) != GM_OK)
        return GM_E_NOMEM;
    s->left--;
    *out = (gm_stack){s->slabs->memory + s->left * s->slabs->stride + guard_bytes(), gm_stack_bytes};
    return GM_OK;
}

void gm_stacks_free(gm_stacks *s)
{
    for (gm_slab *slab = s->slabs, *next; slab; slab = next) {
        next = slab->next;
#if defined(__SANITIZE_ADDRESS__)
        __asan_unpoison_memory_region(slab->memory, stacksOfSlab * slab->stride); /* its next user is another */
#endif
        munmap(slab->memory, stacksOfSlab * slab->stride);
        s->alloc->release(s->alloc->ctx, slab, sizeof *slab);
    }
    s->slabs = NULL;
    s->left = 0;
}
