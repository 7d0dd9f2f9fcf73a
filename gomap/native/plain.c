/* plain.c: the type under `gomap.Map`: the operations of onekey.c, setdefault, and iteration in Go's order. */
#include "keyed.h"

/* MutableMapping's setdefault is made of self[key] and self[key] = default: a subclass with others of its own has them called.
 */
static bool has_own_items(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    return PyType_GetSlot(type, Py_mp_subscript) != (void *)keyed_subscript ||
           PyType_GetSlot(type, Py_mp_ass_subscript) != (void *)keyed_ass_subscript;
}

static PyObject *plain_setdefault(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    keyed *m = (keyed *)self;
    PyObject *elem = NULL;
    answer a = kwnames || n < 1 || n > 2 || has_own_items(self) ? OTHER : find(m, args[0], &elem);
    if (a == ABSENT) {
        elem = n == 2 ? args[1] : Py_None;
        a = put(m, args[0], elem, NULL);
        if (a == FOUND || a == ABSENT)
            Py_INCREF(elem);
    }
    if (a == OTHER)
        return by_cffi(self, "setdefault", args, n, kwnames);
    return a == ERROR ? NULL : elem;
}

/* A map whose calls may wait is walked by cffi, which lets others run. */
static PyObject *walk(PyObject *self, step_form form)
{
    keyed *m = (keyed *)self;
    if (m->calls && !m->reads_wait)
        return steps_new(m, form);
    PyObject *number = PyLong_FromLong(form);
    PyObject *steps = number ? by_cffi(self, "_steps", &number, 1, NULL) : NULL;
    Py_XDECREF(number);
    return steps;
}

static PyObject *plain_iter(PyObject *self)
{
    return walk(self, STEP_KEYS);
}

static PyObject *plain_steps(PyObject *self, PyObject *form)
{
    long chosen = PyLong_AsLong(form);
    if (chosen == -1 && PyErr_Occurred())
        return NULL;
    return walk(self, chosen == STEP_PAIRS ? STEP_PAIRS : chosen == STEP_ELEMS ? STEP_ELEMS : STEP_KEYS);
}

static PyMethodDef methods[] = {
    METHOD("get", keyed_get, "get($self, key, default=None)\n--\n\nThe elem of a key, or `default`. O(1); a reader."),
    METHOD("pop", keyed_pop,
           "Deletes a key and gives its elem, in one step; `default`, or `MissingKey`, if it is not there. O(1)."),
    METHOD("setdefault", plain_setdefault,
           "setdefault($self, key, default=None)\n--\n\nThe elem of a key, assigned first if it is not there. O(1)."),
    {"_steps", plain_steps, METH_O, NULL},
    {0},
};

static PyType_Slot slots[] = {
    SLOT(Py_tp_doc, "The calls of `gomap.Map` on one key, in C."),
    SLOT(Py_tp_traverse, keyed_traverse),
    SLOT(Py_tp_clear, keyed_clear),
    SLOT(Py_tp_dealloc, keyed_dealloc),
    SLOT(Py_tp_methods, methods),
    SLOT(Py_tp_iter, plain_iter),
    SLOT(Py_mp_subscript, keyed_subscript),
    SLOT(Py_mp_ass_subscript, keyed_ass_subscript),
    SLOT(Py_mp_length, keyed_length),
    SLOT(Py_sq_contains, keyed_contains),
    {0},
};

PyType_Spec plain_spec = {
    "gomap._fast.Plain", sizeof(keyed), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots,
};
