/* coro.h: stacks of their own, and switching between them; the design is told in coro.c. */
#ifndef GM_CORO_H
#define GM_CORO_H

#include "base/atomics.h"
#include "gomap.h"

#include <stddef.h>

#if !(defined(__x86_64__) || defined(__aarch64__)) && !defined(GM_CORO_PORTABLE)
#define GM_CORO_PORTABLE
#endif
#if defined(GM_CORO_PORTABLE)
#include <ucontext.h>
#endif

enum { gm_stack_bytes = 64 * 1024 }; /* what a coroutine may use; its guard page lies below */

typedef struct gm_stack {
    unsigned char *low; /* the lowest byte that may be used */
    size_t size;
} gm_stack;

/* One line of execution: a coroutine, or a thread's own. */
typedef struct gm_context {
    void *sp; /* its registers lie there while it does not run */
    void (*entry)(void *arg);
    void *arg;
    gm_stack stack;          /* a thread's own: filled in where a sanitizer needs it */
    struct gm_context *from; /* who switched here last */
    void *fiber, *fake;      /* the sanitizers' */
#if defined(GM_CORO_PORTABLE)
    ucontext_t portable;
#endif
} gm_context;

void gm_context_adopt(gm_context *c); /* c is the calling thread */
/* c will run entry(arg), which never returns, on this stack; c may have run before, and is not running now. */
void gm_context_make(gm_context *c, gm_stack stack, void (*entry)(void *), void *arg);
void gm_context_drop(gm_context *c); /* it is not running and never will again; its stack is the caller's */
void gm_context_switch(gm_context *from, gm_context *to);
void gm_context_leave(gm_context *from, gm_context *to); /* from is done: it may only be made anew */

/* Where stacks come from. Not for two threads at once. */
typedef struct gm_slab gm_slab;
typedef struct gm_stacks {
    const gm_alloc *alloc;
    gm_slab *slabs;
    unsigned left; /* of the newest slab */
} gm_stacks;

int gm_stacks_take(gm_stacks *s, gm_stack *out); /* GM_OK or GM_E_NOMEM */
void gm_stacks_free(gm_stacks *s);               /* all of them */

#endif
