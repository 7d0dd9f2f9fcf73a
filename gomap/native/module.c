/* module.c: gomap._fast, the calls on one key without cffi: types under `gomap.Map` and `gomap.ConcurrentMap`.
 *
 * Through cffi `m[k]` costs ten times a dict's and more, most of it for packing arguments and for a Python function around
 * them. Here the slots of the class are C functions: CPython calls them as it calls a dict's.
 *
 *     class Map(_fast.Plain, MutableMapping)   m[k] -> mp_subscript -> keyed_subscript
 *                                                       |  the key is plain to see -> calls->get(map, ..) -> elem
 *                                                       |  anything else           -> PlainCalls.__getitem__(m, k)
 *     class PlainCalls                         the same by cffi (gomap/onekey.py): knows all cases and all messages
 *
 * One copy of the core. This module has no core compiled in: `bind` gets the address of the map and of a table of functions
 * from gomap._core (map/calls.c). A call is one indirect call more than a linked one; the build is not
 * twice as long, and the two paths cannot come to differ.
 *
 *   B1  Same answers. A call is either done here, with the effect, the answer and the error of the cffi path, or handed over
 *       to that path before anything has been done. tests/map/test_fast.py compares the two on every kind.
 *   B2  Memory. A map's address is used only while the object holds `handle`, which keeps the map: from the first bind to the
 *       object's end. Unbound (no __init__ yet, or taken apart by the garbage collector, or bound twice) it is the cffi
 *       path's. Between the look at `calls` and the call no Python code runs.
 *   B3  The guards of the core hold (C1 in map/calls.c): who overlaps a batch of another thread is refused as ever. Two calls
 *       that are made here on a plain map do not overlap, since both hold the GIL.
 *   B4  The GIL is kept in a call that waits for no other thread, and let go around all others: those of a plain map wait only
 *       in what somebody brought (a heap, an allocator of his own); gets of designs whose reads wait for nobody do not wait;
 *       all other calls of designs for many threads may. So a thread that waits for a lock in the core holds up nobody else.
 *       (There would be no deadlock: nothing in the core takes the GIL.) Where a write to a plain map starts a growth, its
 *       array is made and zeroed with the GIL kept, as when a dict grows.
 *   B5  Stable ABI of CPython 3.10: one wheel for all versions. Not for free-threaded CPython (B2 and N1 need the GIL) and
 *       PyPy (its emulation of this API is slower than cffi): setup.py leaves the module out there, and cffi does everything.
 *
 * Rejected: the core's sources compiled a second time into this module (twice the building, to save an indirect call);
 * objects by address in the core's elems (two paths to one map would need two ways of counting references); vectorcall, which
 * the stable ABI has only from 3.12 on; attributes asked for by new strings (a type's method cache keeps each: see fallback.c).
 */
#include "keyed.h"

static const char *const key_names[KEY_FORMS] = {"int32", "uint32", "int64", "float64", "str", "bytes"};
static const char *const elem_names[ELEM_FORMS] = {"none", "int64", "float64", "bytes", "object"};

/* The place of a kind's name in a list; "bytes9" is found as "bytes". False, with an error: it is not there. */
static bool form_of(const char *name, const char *const *names, int n, int *form)
{
    for (*form = 0; *form < n; ++*form) {
        bool sized = strcmp(names[*form], "bytes") == 0;
        if (sized ? strncmp(name, "bytes", 5) == 0 : strcmp(name, names[*form]) == 0)
            return true;
    }
    PyErr_Format(PyExc_SystemError, "gomap._fast does not know the kind %s", name);
    return false;
}

/* The attributes of gomap.objects.Objects that `m` is to hold, as new references. */
static bool objects_parts(PyObject *objects, keyed *m)
{
    if (objects == Py_None)
        return true;
    m->slots = PyObject_GetAttrString(objects, "slots");
    m->numbers = m->slots ? PyObject_GetAttrString(objects, "numbers") : NULL;
    return m->numbers != NULL;
}

static PyObject *bind(PyObject *module, PyObject *args)
{
    keyed with = {.module = module, .commons = PyModule_GetState(module)};
    PyObject *object, *objects;
    unsigned long long map, calls, iter;
    const char *key, *elem;
    Py_ssize_t key_size, elem_size;
    int key_form, elem_form, reads_wait, writes_wait;
    if (!PyArg_ParseTuple(args, "OOKKKsnsnOpp:bind", &object, &with.handle, &map, &calls, &iter, &key, &key_size, &elem,
                          &elem_size, &objects, &reads_wait, &writes_wait))
        return NULL;
    bool plain = PyType_IsSubtype(Py_TYPE(object), (PyTypeObject *)with.commons->plain);
    if (!plain && !PyType_IsSubtype(Py_TYPE(object), (PyTypeObject *)with.commons->concurrent))
        return PyErr_Format(PyExc_TypeError, "bind: a map of this module expected, not %R", Py_TYPE(object));
    if (!form_of(key, key_names, KEY_FORMS, &key_form) || !form_of(elem, elem_names, ELEM_FORMS, &elem_form))
        return NULL;
    with.map = (void *)(uintptr_t)map;
    with.calls = (const gm_variant *)(uintptr_t)calls;
    with.iter = (const gm_iter_calls *)(uintptr_t)iter;
    with.key = key_form, with.elem = elem_form;
    with.key_size = (size_t)key_size, with.elem_size = (size_t)elem_size;
    with.reads_wait = reads_wait, with.writes_wait = writes_wait;
    bool bound = objects_parts(objects, &with);
    if (bound)
        keyed_bind((keyed *)object, &with);
    Py_XDECREF(with.slots);
    Py_XDECREF(with.numbers);
    if (!bound)
        return NULL;
    Py_INCREF(Py_None);
    return Py_None;
}

/* ------------------------------------------------------------------ the module */

static PyObject *add_type(PyObject *module, PyType_Spec *spec, const char *name)
{
    PyObject *type = PyType_FromSpec(spec);
    if (type && PyModule_AddObjectRef(module, name, type) < 0)
        Py_CLEAR(type);
    return type;
}

static int prepare(PyObject *module)
{
    commons *c = PyModule_GetState(module);
    PyObject *errors = PyImport_ImportModule("gomap.errors");
    c->missing_key = errors ? PyObject_GetAttrString(errors, "MissingKey") : NULL;
    c->raise_status = c->missing_key ? PyObject_GetAttrString(errors, "raise_status") : NULL;
    Py_XDECREF(errors);
    c->plain = c->raise_status ? add_type(module, &plain_spec, "Plain") : NULL;
    c->concurrent = c->plain ? add_type(module, &concurrent_spec, "Concurrent") : NULL;
    c->steps = c->concurrent ? add_type(module, &steps_spec, "Steps") : NULL;
    return c->steps ? 0 : -1;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    commons *c = PyModule_GetState(module);
    Py_VISIT(c->missing_key);
    Py_VISIT(c->raise_status);
    Py_VISIT(c->plain);
    Py_VISIT(c->concurrent);
    Py_VISIT(c->steps);
    return 0;
}

static int clear(PyObject *module)
{
    commons *c = PyModule_GetState(module);
    Py_CLEAR(c->missing_key);
    Py_CLEAR(c->raise_status);
    Py_CLEAR(c->plain);
    Py_CLEAR(c->concurrent);
    Py_CLEAR(c->steps);
    return 0;
}

static void release(void *module)
{
    clear(module);
}

static PyMethodDef functions[] = {
    {"bind", bind, METH_VARARGS, "Tells a map object where its map is, and of what kinds; see gomap/onekey.py."},
    {0},
};

static PyModuleDef_Slot module_slots[] = {SLOT(Py_mod_exec, prepare), {0}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,     .m_name = "gomap._fast", .m_doc = "The calls of gomap's maps on one key, in C.",
    .m_size = sizeof(commons), .m_methods = functions,  .m_slots = module_slots,
    .m_traverse = traverse,    .m_clear = clear,        .m_free = release,
};

PyMODINIT_FUNC PyInit__fast(void)
{
    return PyModuleDef_Init(&definition);
}
