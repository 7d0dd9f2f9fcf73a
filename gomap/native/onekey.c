/* onekey.c: the operations on one key that plain and concurrent maps share: get, in, [], []=, del, pop, len.
 *
 *   find      key to content - calls->get - elem from content
 *   put       key and elem to contents - calls->assign - what was there
 *   take_out  key to content - calls->del - what was there
 *
 * Objects (ELEM_OBJECT) are in the dict of gomap.objects.Objects under the numbers that the core holds.
 *
 *   N1  An object is in the dict before its number is in the map, and leaves it after: who finds a number in the map finds its
 *       object, if no other thread came in between, which takes the GIL. If one came (B4), the cffi path asks again.
 *   N2  What a map lets go of is dropped after the last look at the map: its finalizer may use the map.
 */
#include "content.h"

/* ------------------------------------------------------------------ objects */

/* Puts an object under a number of its own. */
bool object_content(const keyed *m, PyObject *elem, content *c)
{
    c->p = &c->own;
    c->n = 8;
    c->number = PyIter_Next(m->numbers);
    if (!c->number)
        return false;
    c->own.ref = PyLong_AsUnsignedLongLong(c->number);
    if (PyDict_SetItem(m->slots, c->number, elem) == 0)
        return true;
    Py_CLEAR(c->number);
    return false;
}

/* After the call: an object that did not go in is forgotten. */
void object_settle(const keyed *m, content *c, bool went_in)
{
    if (!c->number)
        return;
    if (!went_in && PyDict_DelItem(m->slots, c->number) < 0)
        PyErr_Clear(); /* what is told is why it did not go in */
    Py_CLEAR(c->number);
}

/* The object of a number, a new reference; taken out of the dict if `out`. ABSENT: there is none. */
answer object_of(const keyed *m, uint64_t ref, bool out, PyObject **object)
{
    PyObject *number = PyLong_FromUnsignedLongLong(ref);
    *object = number ? PyDict_GetItemWithError(m->slots, number) : NULL;
    Py_XINCREF(*object);
    if (*object && out && PyDict_DelItem(m->slots, number) < 0)
        Py_CLEAR(*object);
    Py_XDECREF(number);
    return *object ? FOUND : PyErr_Occurred() ? ERROR : ABSENT;
}

/* What room holds after the map has let go of it. */
static answer released(const keyed *m, room *r, PyObject **old)
{
    if (m->elem == ELEM_OBJECT)
        return object_of(m, r->own.ref, true, old);
    *old = room_take(m, r);
    return *old ? FOUND : ERROR;
}

/* ------------------------------------------------------------------ one key */

/* In each: contents first, then whether the map is bound (B2), since an __index__ may do anything; then the call. */

answer find(keyed *m, PyObject *key, PyObject **elem)
{
    content k;
    room r;
    if (!key_content(m, key, &k) || !m->calls)
        return OTHER;
    if (!room_make(m, &r, true))
        return ERROR;
    PyThreadState *left = leave(m->reads_wait);
    int status = m->calls->get(m->map, k.p, k.n, r.p);
    come_back(left);
    if (status == GM_OK && m->elem == ELEM_OBJECT) {
        answer found = object_of(m, r.own.ref, false, elem);
        return found == ABSENT ? OTHER : found; /* N1 */
    }
    if (status == GM_OK) {
        *elem = room_take(m, &r);
        return *elem ? FOUND : ERROR;
    }
    Py_XDECREF(r.bytes);
    return status < 0 ? refuse(m, status) : ABSENT;
}

/* An object that was let go of is always taken out of the dict; an elem of another kind is only asked for if `old` is not NULL.
 * Where old is NULL it is dropped. */
static answer hand_out(const keyed *m, room *r, bool was, PyObject **old)
{
    PyObject *gone = NULL;
    answer found = was ? FOUND : ABSENT;
    if (was && r->p)
        found = released(m, r, &gone);
    else
        Py_XDECREF(r->bytes);
    if (old)
        *old = gone;
    else
        Py_XDECREF(gone); /* N2 */
    return found;
}

/* FOUND: the key was there, and *old was its elem; ABSENT: it was not, and is now. Of a plain map without objects always FOUND
 * (C2 in map/calls.c). */
answer put(keyed *m, PyObject *key, PyObject *elem, PyObject **old)
{
    content k, e;
    room r;
    bool object = m->elem == ELEM_OBJECT;
    if (!key_content(m, key, &k) || (!object && !elem_content(m, elem, &e)) || !m->calls)
        return OTHER;
    if ((object && !object_content(m, elem, &e)) || !room_make(m, &r, object || old))
        return ERROR;
    PyThreadState *left = leave(m->writes_wait);
    int status = m->calls->assign(m->map, k.p, k.n, e.p, r.p);
    come_back(left);
    object_settle(m, &e, status >= 0);
    answer found = hand_out(m, &r, object ? r.own.ref != 0 : status == GM_OK, old);
    return status < 0 ? refuse(m, status) : found;
}

/* FOUND: the key was there, and *old was its elem. */
answer take_out(keyed *m, PyObject *key, PyObject **old)
{
    content k;
    room r;
    if (!key_content(m, key, &k) || !m->calls)
        return OTHER;
    if (!room_make(m, &r, m->elem == ELEM_OBJECT || old))
        return ERROR;
    PyThreadState *left = leave(m->writes_wait);
    int status = m->calls->del(m->map, k.p, k.n, r.p);
    come_back(left);
    answer found = hand_out(m, &r, status == GM_OK, old);
    return status < 0 ? refuse(m, status) : found;
}

/* ------------------------------------------------------------------ slots and methods */

PyObject *keyed_subscript(PyObject *self, PyObject *key)
{
    PyObject *elem;
    switch (find((keyed *)self, key, &elem)) {
    case FOUND:
        return elem;
    case OTHER:
        return by_cffi(self, "__getitem__", &key, 1, NULL);
    case ABSENT:
        missing((keyed *)self, key);
        return NULL;
    default:
        return NULL;
    }
}

/* 0 if a handed-over call came back well. */
static int done_by_cffi(PyObject *self, const char *name, PyObject *key, PyObject *elem)
{
    PyObject *args[] = {key, elem};
    PyObject *none = by_cffi(self, name, args, elem ? 2 : 1, NULL);
    Py_XDECREF(none);
    return none ? 0 : -1;
}

static int delete (PyObject *self, PyObject *key)
{
    switch (take_out((keyed *)self, key, NULL)) {
    case FOUND:
        return 0;
    case OTHER:
        return done_by_cffi(self, "__delitem__", key, NULL);
    case ABSENT:
        missing((keyed *)self, key);
        return -1;
    default:
        return -1;
    }
}

int keyed_ass_subscript(PyObject *self, PyObject *key, PyObject *elem)
{
    if (!elem)
        return delete (self, key);
    answer a = put((keyed *)self, key, elem, NULL);
    return a == OTHER ? done_by_cffi(self, "__setitem__", key, elem) : a == ERROR ? -1 : 0;
}

int keyed_contains(PyObject *self, PyObject *key)
{
    keyed *m = (keyed *)self;
    content k;
    room r;
    if (!key_content(m, key, &k) || !m->calls) {
        PyObject *is = by_cffi(self, "__contains__", &key, 1, NULL);
        int there = is ? PyObject_IsTrue(is) : -1;
        Py_XDECREF(is);
        return there;
    }
    bool concurrent = !m->iter; /* a plain map's get takes no room for no elem, theirs always has some */
    if (!room_make(m, &r, concurrent))
        return -1;
    PyThreadState *left = leave(m->reads_wait);
    int status = m->calls->get(m->map, k.p, k.n, r.p);
    come_back(left);
    Py_XDECREF(r.bytes);
    if (status < 0)
        refuse(m, status);
    return status < 0 ? -1 : status == GM_OK;
}

Py_ssize_t keyed_length(PyObject *self)
{
    keyed *m = (keyed *)self;
    if (!m->calls) {
        PyObject *length = by_cffi(self, "__len__", NULL, 0, NULL);
        Py_ssize_t n = length ? PyLong_AsSsize_t(length) : -1;
        Py_XDECREF(length);
        return n;
    }
    uint64_t n;
    PyThreadState *left = leave(m->reads_wait);
    int status = m->calls->len(m->map, &n);
    come_back(left);
    if (status < 0)
        refuse(m, status);
    return status < 0 ? -1 : (Py_ssize_t)n;
}

PyObject *keyed_get(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    PyObject *elem = NULL;
    answer a = kwnames || n < 1 || n > 2 ? OTHER : find((keyed *)self, args[0], &elem);
    if (a == OTHER)
        return by_cffi(self, "get", args, n, kwnames);
    if (a == ABSENT) {
        elem = n == 2 ? args[1] : Py_None;
        Py_INCREF(elem);
    }
    return a == ERROR ? NULL : elem;
}

PyObject *keyed_pop(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames)
{
    PyObject *elem = NULL;
    answer a = kwnames || n < 1 || n > 2 ? OTHER : take_out((keyed *)self, args[0], &elem);
    if (a == OTHER)
        return by_cffi(self, "pop", args, n, kwnames);
    if (a == ABSENT && n == 2) {
        elem = args[1];
        Py_INCREF(elem);
        return elem;
    }
    if (a == ABSENT)
        missing((keyed *)self, args[0]);
    return a == FOUND ? elem : NULL;
}

/* ------------------------------------------------------------------ the object */

/* Takes what `with` tells. A second time (somebody calls __init__ again) the object is left to the cffi path for ever: another
 * thread may be in a call on the first map, which stays until the object goes (B2). */
void keyed_bind(keyed *m, const keyed *with)
{
    if (m->handle) {
        m->calls = NULL;
        return;
    }
    PyObject head = m->ob_base;
    *m = *with;
    m->ob_base = head;
    Py_INCREF(m->handle);
    Py_XINCREF(m->slots);
    Py_XINCREF(m->numbers);
    Py_INCREF(m->module);
}

int keyed_traverse(PyObject *self, visitproc visit, void *arg)
{
    keyed *m = (keyed *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(m->handle);
    Py_VISIT(m->slots);
    Py_VISIT(m->numbers);
    Py_VISIT(m->module);
    return 0;
}

/* From here on nothing is called by the map's address (B2). */
int keyed_clear(PyObject *self)
{
    keyed *m = (keyed *)self;
    m->calls = NULL;
    m->map = NULL;
    Py_CLEAR(m->handle);
    Py_CLEAR(m->slots);
    Py_CLEAR(m->numbers);
    Py_CLEAR(m->module);
    return 0;
}

void keyed_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    keyed_clear(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}
