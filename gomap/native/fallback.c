/* fallback.c: the ways out of the extension: to the cffi path, and to the errors.
 *
 * The class attribute `_by_cffi` of a map is the class of gomap.onekey whose methods do by cffi what the types here do. A call
 * that is handed over has had no effect, so that it may be made there from its beginning, with its arguments as they came.
 */
#include "keyed.h"

/* (self, *args) */
static PyObject *with_self(PyObject *self, PyObject *const *args, Py_ssize_t n)
{
    PyObject *all = PyTuple_New(n + 1);
    if (!all)
        return NULL;
    Py_INCREF(self);
    PyTuple_SetItem(all, 0, self);
    for (Py_ssize_t i = 0; i < n; i++) {
        Py_INCREF(args[i]);
        PyTuple_SetItem(all, i + 1, args[i]);
    }
    return all;
}

/* The keyword arguments of a fast call as a dict; NULL without an error: there are none. */
static PyObject *keywords(PyObject *const *values, PyObject *kwnames)
{
    Py_ssize_t n = kwnames ? PyTuple_Size(kwnames) : 0;
    PyObject *named = n ? PyDict_New() : NULL;
    for (Py_ssize_t i = 0; named && i < n; i++)
        if (PyDict_SetItem(named, PyTuple_GetItem(kwnames, i), values[i]) < 0)
            Py_CLEAR(named);
    return named;
}

/* An attribute, asked for by its interned name: a type's method cache would keep every new string that it is asked by. */
static PyObject *attribute(PyObject *of, const char *name)
{
    PyObject *interned = PyUnicode_InternFromString(name);
    PyObject *found = interned ? PyObject_GetAttr(of, interned) : NULL;
    Py_XDECREF(interned);
    return found;
}

PyObject *by_cffi(PyObject *self, const char *name, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    PyObject *answer = NULL;
    if (PyErr_Occurred()) /* an interrupt out of an __index__ */
        return NULL;
    PyObject *path = attribute((PyObject *)Py_TYPE(self), "_by_cffi");
    PyObject *method = path ? attribute(path, name) : NULL;
    PyObject *all = method ? with_self(self, args, n) : NULL;
    PyObject *named = all ? keywords(args + n, kwnames) : NULL;
    if (all && !PyErr_Occurred())
        answer = PyObject_Call(method, all, named);
    Py_XDECREF(named);
    Py_XDECREF(all);
    Py_XDECREF(method);
    Py_XDECREF(path);
    return answer;
}

/* Sets the error that a negative status stands for. */
answer refuse(const keyed *m, int status)
{
    PyObject *none = PyObject_CallFunction(m->commons->raise_status, "i", status);
    Py_XDECREF(none); /* it never returns */
    return ERROR;
}

/* Sets MissingKey(key). */
answer missing(const keyed *m, PyObject *key)
{
    PyObject *error = PyObject_CallFunctionObjArgs(m->commons->missing_key, key, NULL);
    if (error)
        PyErr_SetObject(m->commons->missing_key, error);
    Py_XDECREF(error);
    return ERROR;
}
