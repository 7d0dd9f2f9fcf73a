/* keyed.h: what the files of this extension share. The design is told in module.c. */
#ifndef GM_NATIVE_KEYED_H
#define GM_NATIVE_KEYED_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "map/calls.h"

#include <stdbool.h>
#include <string.h>

/* gomap/kinds.py has the kinds; here is how their values lie. */
typedef enum { KEY_INT32, KEY_UINT32, KEY_INT64, KEY_FLOAT64, KEY_STR, KEY_BYTES, KEY_FORMS } key_form;
typedef enum { ELEM_NONE, ELEM_INT64, ELEM_FLOAT64, ELEM_BYTES, ELEM_OBJECT, ELEM_FORMS } elem_form;

/* The module's state; it lives as long as a map that holds the module. */
typedef struct commons {
    PyObject *missing_key, *raise_status; /* of gomap.errors */
    PyObject *plain, *concurrent, *steps; /* the types */
} commons;

/* A map object. All but the head is zero until the module's bind. */
typedef struct keyed {
    PyObject_HEAD const gm_variant *calls; /* NULL: not bound, everything is for the cffi path (B2) */
    void *map;                             /* what calls take: a gm_map, or the target of a gm_cmap */
    const gm_iter_calls *iter;
    key_form key;
    elem_form elem;
    size_t key_size, elem_size;
    bool reads_wait, writes_wait; /* for other threads: such calls are made without the GIL (B4) */
    PyObject *handle;             /* keeps `map` */
    PyObject *slots, *numbers;    /* of gomap.objects.Objects, for ELEM_OBJECT; else NULL */
    PyObject *module;             /* keeps `commons` */
    const commons *commons;
} keyed;

/* What became of a call. OTHER: nothing was done, and no error is set: it is for the cffi path. */
typedef enum { FOUND, ABSENT, ERROR, OTHER } answer;

static inline PyThreadState *leave(bool waits)
{
    return waits ? PyEval_SaveThread() : NULL;
}

static inline void come_back(PyThreadState *left)
{
    if (left)
        PyEval_RestoreThread(left);
}

/* fallback.c */
PyObject *by_cffi(PyObject *self, const char *name, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
answer refuse(const keyed *m, int status);
answer missing(const keyed *m, PyObject *key);

struct content;

/* onekey.c: what plain and concurrent maps share */
bool object_content(const keyed *m, PyObject *elem, struct content *c);
void object_settle(const keyed *m, struct content *c, bool went_in);
answer find(keyed *m, PyObject *key, PyObject **elem);
answer put(keyed *m, PyObject *key, PyObject *elem, PyObject **old);
answer take_out(keyed *m, PyObject *key, PyObject **old);
answer object_of(const keyed *m, uint64_t ref, bool out, PyObject **object);
void keyed_bind(keyed *m, const keyed *with);
int keyed_traverse(PyObject *self, visitproc visit, void *arg);
int keyed_clear(PyObject *self);
void keyed_dealloc(PyObject *self);
PyObject *keyed_subscript(PyObject *self, PyObject *key);
int keyed_ass_subscript(PyObject *self, PyObject *key, PyObject *elem);
int keyed_contains(PyObject *self, PyObject *key);
Py_ssize_t keyed_length(PyObject *self);
PyObject *keyed_get(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
PyObject *keyed_pop(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);

/* plain.c, concurrent.c, steps.c */
extern PyType_Spec plain_spec, concurrent_spec, steps_spec;
typedef enum { STEP_KEYS, STEP_ELEMS, STEP_PAIRS } step_form;
PyObject *steps_new(keyed *m, step_form form);

typedef PyObject *(*fastcall)(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames);
#define METHOD(name, function, doc)                                                                                            \
    {                                                                                                                          \
        name, (PyCFunction)(void (*)(void))(fastcall)function, METH_FASTCALL | METH_KEYWORDS, doc                              \
    }
#define SLOT(id, function)                                                                                                     \
    {                                                                                                                          \
        id, (void *)function                                                                                                   \
    }

#endif
