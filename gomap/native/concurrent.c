/* concurrent.c: the type under `gomap.ConcurrentMap` and the other designs for many threads: the operations of onekey.c, and
 * the atomic ones of sync.Map.
 *
 * Comparing objects asks their `==`, which is Python's business: compare_and_swap and compare_and_delete of objects are left to
 * the cffi path.
 */
#include "content.h"

/* What a method gives whose call came back as `a`; `given` is a new reference for FOUND and ABSENT. */
static PyObject *method_answer(PyObject *self, const char *name, PyObject *const *args, Py_ssize_t n, PyObject *kwnames,
                               answer a, PyObject *given)
{
    return a == OTHER ? by_cffi(self, name, args, n, kwnames) : a == ERROR ? NULL : given;
}

/* (elem, found), of a new reference; (None, False) of NULL. */
static PyObject *pair(PyObject *elem, bool found)
{
    PyObject *both = PyTuple_Pack(2, elem ? elem : Py_None, found ? Py_True : Py_False);
    Py_XDECREF(elem);
    return both;
}

static PyObject *concurrent_swap(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    PyObject *old = NULL;
    answer a = kwnames || n != 2 ? OTHER : put((keyed *)self, args[0], args[1], &old);
    PyObject *given = a == FOUND || a == ABSENT ? pair(old, a == FOUND) : NULL;
    return method_answer(self, "swap", args, n, kwnames, a, given);
}

static PyObject *concurrent_load_and_delete(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    PyObject *old = NULL;
    answer a = kwnames || n != 1 ? OTHER : take_out((keyed *)self, args[0], &old);
    PyObject *given = a == FOUND || a == ABSENT ? pair(old, a == FOUND) : NULL;
    return method_answer(self, "load_and_delete", args, n, kwnames, a, given);
}

/* FOUND: *actual is what is there, a new reference; ABSENT: elem is there now. */
static answer load_or_store(keyed *m, PyObject *key, PyObject *elem, PyObject **actual)
{
    content k, e;
    room r;
    bool object = m->elem == ELEM_OBJECT;
    if (!key_content(m, key, &k) || (!object && !elem_content(m, elem, &e)) || !m->calls)
        return OTHER;
    if ((object && !object_content(m, elem, &e)) || !room_make(m, &r, true))
        return ERROR;
    PyThreadState *left = leave(m->writes_wait);
    int status = m->calls->load_or_store(m->map, k.p, k.n, e.p, r.p);
    come_back(left);
    answer found = status == GM_OK ? FOUND : ABSENT;
    if (status == GM_OK && object)
        found = object_of(m, r.own.ref, false, actual);
    else if (status == GM_OK)
        found = (*actual = room_take(m, &r)) ? FOUND : ERROR;
    else
        Py_XDECREF(r.bytes);
    object_settle(m, &e, status == GM_MISS);
    if (status < 0)
        return refuse(m, status);
    return status == GM_OK && found == ABSENT ? OTHER : found; /* N1: replaced by another thread meanwhile */
}

static PyObject *concurrent_load_or_store(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    PyObject *elem = NULL;
    answer a = kwnames || n != 2 ? OTHER : load_or_store((keyed *)self, args[0], args[1], &elem);
    if (a == ABSENT)
        Py_INCREF(elem = args[1]);
    PyObject *given = a == FOUND || a == ABSENT ? pair(elem, a == FOUND) : NULL;
    return method_answer(self, "load_or_store", args, n, kwnames, a, given);
}

static PyObject *concurrent_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    PyObject *elem = NULL, *otherwise = n == 2 ? args[1] : Py_None;
    answer a = kwnames || n < 1 || n > 2 ? OTHER : load_or_store((keyed *)self, args[0], otherwise, &elem);
    if (a == ABSENT)
        Py_INCREF(elem = otherwise);
    return method_answer(self, "setdefault", args, n, kwnames, a, elem);
}

/* new NULL: deletes. FOUND: done; ABSENT: the key is not there with `old`. */
static answer compare_and_set(keyed *m, PyObject *key, PyObject *old, PyObject *new)
{
    content k, o, e = {0};
    if (m->elem == ELEM_OBJECT || !key_content(m, key, &k) || !elem_content(m, old, &o) || (new && !elem_content(m, new, &e)) ||
        !m->calls)
        return OTHER;
    PyThreadState *left = leave(m->writes_wait);
    int status = m->calls->compare_and_swap(m->map, k.p, k.n, o.p, new ? e.p : NULL);
    come_back(left);
    return status < 0 ? refuse(m, status) : status == GM_OK ? FOUND : ABSENT;
}

static PyObject *concurrent_compare_and_swap(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    answer a = kwnames || n != 3 ? OTHER : compare_and_set((keyed *)self, args[0], args[1], args[2]);
    PyObject *given = a == FOUND || a == ABSENT ? PyBool_FromLong(a == FOUND) : NULL;
    return method_answer(self, "compare_and_swap", args, n, kwnames, a, given);
}

static PyObject *concurrent_compare_and_delete(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    answer a = kwnames || n != 2 ? OTHER : compare_and_set((keyed *)self, args[0], args[1], NULL);
    PyObject *given = a == FOUND || a == ABSENT ? PyBool_FromLong(a == FOUND) : NULL;
    return method_answer(self, "compare_and_delete", args, n, kwnames, a, given);
}

static answer add(keyed *m, PyObject *key, PyObject *delta, int64_t *sum)
{
    content k, d = {.own.i64 = 1};
    if (m->elem != ELEM_INT64 || !key_content(m, key, &k) || (delta && !elem_content(m, delta, &d)) || !m->calls)
        return OTHER;
    PyThreadState *left = leave(m->writes_wait);
    int status = m->calls->add(m->map, k.p, k.n, d.own.i64, sum);
    come_back(left);
    return status < 0 ? refuse(m, status) : FOUND;
}

static PyObject *concurrent_add(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    int64_t sum = 0;
    answer a = kwnames || n < 1 || n > 2 ? OTHER : add((keyed *)self, args[0], n == 2 ? args[1] : NULL, &sum);
    return method_answer(self, "add", args, n, kwnames, a, a == FOUND ? PyLong_FromLongLong(sum) : NULL);
}

static PyMethodDef methods[] = {
    METHOD("get", keyed_get, "get($self, key, default=None)\n--\n\nThe elem of a key, or `default`. O(1)."),
    METHOD("pop", keyed_pop,
           "Deletes a key and gives its elem, in one step; `default`, or `MissingKey`, if it is not there. O(1)."),
    METHOD("setdefault", concurrent_setdefault,
           "setdefault($self, key, default=None)\n--\n\n"
           "The elem of a key, stored first if it is not there. Atomic, unlike dict's over threads. O(1)."),
    METHOD("swap", concurrent_swap,
           "swap($self, key, elem)\n--\n\n"
           "Assigns and gives (what was there, True), or (None, False). Atomic (sync.Map.Swap). O(1)."),
    METHOD("load_and_delete", concurrent_load_and_delete,
           "load_and_delete($self, key)\n--\n\n"
           "Deletes and gives (what was there, True), or (None, False). Atomic (sync.Map.LoadAndDelete). O(1)."),
    METHOD("load_or_store", concurrent_load_or_store,
           "load_or_store($self, key, elem)\n--\n\n"
           "(What is there, True); else stores elem and gives (elem, False). Atomic (sync.Map.LoadOrStore). O(1)."),
    METHOD(
        "compare_and_swap", concurrent_compare_and_swap,
        "compare_and_swap($self, key, old, new)\n--\n\n"
        "Assigns `new` if the key is there with an elem equal to `old`; says whether it did. Atomic. O(1).\n\n"
        "Elems are compared as Go compares them: by their bytes (float64: NaN with the same bits is equal here). Objects are\n"
        "compared by `==`, outside the map's lock; the swap happens only if the very object that was compared is still there."),
    METHOD("compare_and_delete", concurrent_compare_and_delete,
           "compare_and_delete($self, key, old)\n--\n\n"
           "Deletes the key if it is there with an elem equal to `old`; says whether it did. Atomic. O(1)."),
    METHOD("add", concurrent_add,
           "add($self, key, delta=1)\n--\n\n"
           "Adds to an int64 elem and gives the sum; an absent key counts as 0. Atomic; wraps like Go's int64. O(1)."),
    {0},
};

static PyType_Slot slots[] = {
    SLOT(Py_tp_doc, "The calls of `gomap.ConcurrentMap` and its like on one key, in C."),
    SLOT(Py_tp_traverse, keyed_traverse),
    SLOT(Py_tp_clear, keyed_clear),
    SLOT(Py_tp_dealloc, keyed_dealloc),
    SLOT(Py_tp_methods, methods),
    SLOT(Py_mp_subscript, keyed_subscript),
    SLOT(Py_mp_ass_subscript, keyed_ass_subscript),
    SLOT(Py_mp_length, keyed_length),
    SLOT(Py_sq_contains, keyed_contains),
    {0},
};

PyType_Spec concurrent_spec = {
    "gomap._fast.Concurrent", sizeof(keyed), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots,
};
