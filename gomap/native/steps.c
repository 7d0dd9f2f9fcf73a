/* steps.c: an iteration over a plain map, as Go's range (map/iterator.c), that yields keys, elems or pairs.
 *
 *   S1  It begins at its first step, not when it is made, and ends once: what deleted memory it kept alive goes then.
 *   S2  A step is the call and the reading of what it found, under the GIL: no other step comes between the two. A batch may,
 *       which has no GIL: what was found is a copy, what strings point to stays (an open iterator keeps it, M1 in
 *       map/memory.c), and an object that is gone is GM_E_ITERATE.
 *   S3  A step that is refused ends an iteration over keys or elems, as an exception ends a generator, which is what the cffi
 *       path has there. One over pairs is a MapIterator there, and can be asked again.
 */
#include "keyed.h"

typedef struct steps {
    PyObject_HEAD keyed *of; /* NULL: over */
    gm_iter *it;
    step_form form;
    bool started;
    unsigned char *key, *elem; /* room for a key's content, or a gm_view; and behind it for an elem's */
} steps;

static size_t key_room(const keyed *m)
{
    size_t size = m->key == KEY_BYTES ? m->key_size : sizeof(gm_view);
    return (size + 15) / 16 * 16;
}

PyObject *steps_new(keyed *m, step_form form)
{
    PyTypeObject *type = (PyTypeObject *)m->commons->steps;
    allocfunc make = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    steps *s = (steps *)make(type, 0);
    if (!s)
        return NULL;
    Py_INCREF(m);
    s->of = m;
    s->form = form;
    s->key = PyMem_Calloc(1, key_room(m) + (m->elem_size > 8 ? m->elem_size : 8));
    if (!s->key) {
        Py_DECREF(s);
        return PyErr_NoMemory();
    }
    s->elem = s->key + key_room(m);
    return (PyObject *)s;
}

/* S1. The iterator before the map that it is of. */
static void end(steps *s)
{
    keyed *of = s->of;
    if (s->it)
        of->iter->drop(s->it);
    PyMem_Free(s->key);
    s->it = NULL;
    s->key = NULL;
    s->of = NULL;
    Py_XDECREF(of);
}

static PyObject *key_found(const steps *s)
{
    const void *p = s->key;
    const gm_view *text = p;
    switch (s->of->key) {
    case KEY_INT32:
        return PyLong_FromLong(*(const int32_t *)p);
    case KEY_UINT32:
        return PyLong_FromUnsignedLong(*(const uint32_t *)p);
    case KEY_INT64:
        return PyLong_FromLongLong(*(const int64_t *)p);
    case KEY_FLOAT64:
        return PyFloat_FromDouble(*(const double *)p);
    case KEY_STR:
        return PyUnicode_DecodeUTF8(text->n ? text->p : "", (Py_ssize_t)text->n, "surrogateescape");
    default:
        return PyBytes_FromStringAndSize(p, (Py_ssize_t)s->of->key_size);
    }
}

static PyObject *elem_found(const steps *s)
{
    const void *p = s->elem;
    PyObject *object = NULL;
    switch (s->of->elem) {
    case ELEM_INT64:
        return PyLong_FromLongLong(*(const int64_t *)p);
    case ELEM_FLOAT64:
        return PyFloat_FromDouble(*(const double *)p);
    case ELEM_BYTES:
        return PyBytes_FromStringAndSize(p, (Py_ssize_t)s->of->elem_size);
    case ELEM_OBJECT:
        if (object_of(s->of, *(const uint64_t *)p, false, &object) == ABSENT)
            refuse(s->of, GM_E_ITERATE);
        return object;
    default:
        Py_INCREF(Py_None);
        return Py_None;
    }
}

/* Both are read before the tuple is made: that may run the garbage collector, and a finalizer this iterator. */
static PyObject *pair_found(const steps *s)
{
    PyObject *both = NULL, *key = key_found(s), *elem = key ? elem_found(s) : NULL;
    if (elem)
        both = PyTuple_Pack(2, key, elem);
    Py_XDECREF(key);
    Py_XDECREF(elem);
    return both;
}

static int advance(steps *s)
{
    const gm_iter_calls *calls = s->of->iter;
    if (s->started)
        return calls->next(s->it, s->key, s->elem);
    if (!s->it) {
        int status = calls->make(s->of->map, &s->it);
        if (status != GM_OK)
            return status;
    }
    int status = calls->init(s->it, -1, -1, s->key, s->elem);
    s->started = status >= 0;
    return status;
}

static PyObject *steps_next(PyObject *self)
{
    steps *s = (steps *)self;
    if (!s->of || !s->of->map) /* over; or the map was taken apart by the garbage collector */
        return NULL;
    int status = advance(s);
    if (status == GM_OK) {
        PyObject *found = s->form == STEP_PAIRS ? pair_found(s) : s->form == STEP_KEYS ? key_found(s) : elem_found(s);
        if (!found && s->form != STEP_PAIRS)
            end(s); /* S3 */
        return found;
    }
    if (status < 0)
        refuse(s->of, status);
    if (status == GM_END || s->form != STEP_PAIRS) /* S3 */
        end(s);
    return NULL;
}

static int steps_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((steps *)self)->of);
    return 0;
}

static int steps_clear(PyObject *self)
{
    end((steps *)self);
    return 0;
}

static void steps_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    steps_clear(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    SLOT(Py_tp_doc, "An iteration over a `gomap.Map`, as Go's range."),
    SLOT(Py_tp_traverse, steps_traverse),
    SLOT(Py_tp_clear, steps_clear),
    SLOT(Py_tp_dealloc, steps_dealloc),
    SLOT(Py_tp_iter, PyObject_SelfIter),
    SLOT(Py_tp_iternext, steps_next),
    {0},
};

PyType_Spec steps_spec = {"gomap._fast.Steps", sizeof(steps), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots};
