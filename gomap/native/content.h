/* content.h: Python values as contents (gomap.h), and back.
 *
 * Only what is plain to see is converted here, and nothing of it runs Python code but an integer's __index__: ints (and what
 * has __index__) for integer kinds; floats, and ints that a double holds for certain, for float64; str and bytes themselves.
 * All else, and all that does not fit, is left to `Kind.pack` by way of the cffi path, which knows every case and every
 * message.
 *
 * A str shows its UTF-8 (PyUnicode_AsUTF8AndSize): an ASCII string's own characters; another's is made once and kept with it.
 */
#ifndef GM_NATIVE_CONTENT_H
#define GM_NATIVE_CONTENT_H

#include "keyed.h"

#define EXACT_IN_DOUBLE (1LL << 53)

/* `p` is `own`, or belongs to the value, which the caller holds. */
typedef struct content {
    const void *p;
    size_t n;
    PyObject *number; /* ELEM_OBJECT: under which the object is in `slots` */
    union {
        int32_t i32;
        uint32_t u32;
        int64_t i64;
        uint64_t ref;
        double f64;
    } own;
} content;

/* An integer that fits a long long; false and no error set: something else. */
static inline bool whole_number(PyObject *value, long long *to)
{
    int overflow = 0;
    if (PyLong_Check(value)) {
        *to = PyLong_AsLongLongAndOverflow(value, &overflow);
        return overflow == 0;
    }
    if (!PyIndex_Check(value))
        return false;
    PyObject *whole = PyNumber_Index(value);
    if (whole) {
        *to = PyLong_AsLongLongAndOverflow(whole, &overflow);
        Py_DECREF(whole);
    }
    if (!whole && PyErr_ExceptionMatches(PyExc_Exception))
        PyErr_Clear(); /* it is asked again by who tells the error; an interrupt is not asked again: by_cffi sees it */
    return whole && overflow == 0;
}

static inline bool set_i64(content *c, PyObject *value)
{
    long long whole;
    if (!whole_number(value, &whole))
        return false;
    c->own.i64 = whole;
    c->n = 8;
    return true;
}

static inline bool set_i32(content *c, PyObject *value)
{
    long long whole;
    if (!whole_number(value, &whole) || whole < INT32_MIN || whole > INT32_MAX)
        return false;
    c->own.i32 = (int32_t)whole;
    c->n = 4;
    return true;
}

static inline bool set_u32(content *c, PyObject *value)
{
    long long whole;
    if (!whole_number(value, &whole) || whole < 0 || whole > UINT32_MAX)
        return false;
    c->own.u32 = (uint32_t)whole;
    c->n = 4;
    return true;
}

static inline bool set_f64(content *c, PyObject *value)
{
    long long whole;
    c->n = 8;
    if (PyFloat_Check(value)) {
        c->own.f64 = PyFloat_AsDouble(value);
        return true;
    }
    if (!PyLong_Check(value) || !whole_number(value, &whole) || whole < -EXACT_IN_DOUBLE || whole > EXACT_IN_DOUBLE)
        return false;
    c->own.f64 = (double)whole;
    return true;
}

static inline bool set_text(content *c, PyObject *value)
{
    Py_ssize_t n;
    if (!PyUnicode_CheckExact(value))
        return false;
    c->p = PyUnicode_AsUTF8AndSize(value, &n);
    if (!c->p) {
        PyErr_Clear(); /* a lone surrogate, or no memory */
        return false;
    }
    c->n = (size_t)n;
    return true;
}

static inline bool set_bytes(content *c, PyObject *value, size_t size)
{
    char *p;
    Py_ssize_t n;
    if (!PyBytes_CheckExact(value) || PyBytes_AsStringAndSize(value, &p, &n) < 0 || (size_t)n != size)
        return false;
    c->p = p;
    c->n = size;
    return true;
}

static inline bool key_content(const keyed *m, PyObject *key, content *c)
{
    c->p = &c->own;
    switch (m->key) {
    case KEY_INT64:
        return set_i64(c, key);
    case KEY_STR:
        return set_text(c, key);
    case KEY_INT32:
        return set_i32(c, key);
    case KEY_UINT32:
        return set_u32(c, key);
    case KEY_FLOAT64:
        return set_f64(c, key);
    default:
        return set_bytes(c, key, m->key_size);
    }
}

/* Not for ELEM_OBJECT: `object_content` in onekey.c. */
static inline bool elem_content(const keyed *m, PyObject *elem, content *c)
{
    c->p = &c->own;
    c->number = NULL;
    switch (m->elem) {
    case ELEM_INT64:
        return set_i64(c, elem);
    case ELEM_FLOAT64:
        return set_f64(c, elem);
    case ELEM_BYTES:
        return set_bytes(c, elem, m->elem_size);
    default:
        c->n = 0;
        return elem == Py_None;
    }
}

/* Room for an elem, or p NULL; for ELEM_BYTES already the object that it will be. */
typedef struct room {
    void *p;
    PyObject *bytes;
    union {
        int64_t i64;
        uint64_t ref;
        double f64;
    } own;
} room;

static inline bool room_make(const keyed *m, room *r, bool wanted)
{
    r->bytes = NULL;
    r->own.ref = 0;
    r->p = wanted ? &r->own : NULL;
    if (m->elem != ELEM_BYTES || !wanted)
        return true;
    r->bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)m->elem_size);
    if (!r->bytes)
        return false;
    r->p = memset(PyBytes_AsString(r->bytes), 0, m->elem_size);
    return true;
}

/* The elem in it, a new reference; not for ELEM_OBJECT. */
static inline PyObject *room_take(const keyed *m, room *r)
{
    switch (m->elem) {
    case ELEM_INT64:
        return PyLong_FromLongLong(r->own.i64);
    case ELEM_FLOAT64:
        return PyFloat_FromDouble(r->own.f64);
    case ELEM_BYTES:
        return r->bytes;
    default:
        Py_INCREF(Py_None);
        return Py_None;
    }
}

#endif
