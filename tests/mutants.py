"""Plants one mistake at a time in a copy of csrc and shows that the recorded vectors notice it.

usage: python tests/mutants.py [TEXT]     (only mutants whose name contains TEXT; about ten minutes for all)

Each mutant is a text that stands exactly once in a file, and what replaces it. A mutant that still agrees with every vector
is MISSED, and the exit code is 1. Build errors, crashes and hangs are told apart: a mutant that does not compile is no proof.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    name: str
    file: str
    old: str
    new: str


PATH, HMAP, HMAP_H, ITER, KEYS, AES, HASH, ELEMS = (
    "map/path.inc.h",
    "map/hmap.c",
    "map/hmap.h",
    "map/iterator.c",
    "map/keys.h",
    "map/hash_aes.inc.h",
    "map/hash.c",
    "map/elems.h",
)
MUTANTS = [
    Mutant("tophash: no +5 for the reserved values", HMAP_H, "(uint8_t)(top + minTopHash) : top", "top : top"),
    Mutant("tophash: clamp to 5", HMAP_H, "(uint8_t)(top + minTopHash) : top", "minTopHash : top"),
    Mutant("load factor: >= instead of >", HMAP_H, "count > 13 *", "count >= 13 *"),
    Mutant("load factor: no exemption up to 8", HMAP_H, "count > bucketCnt && count", "count"),
    Mutant("growth test with count", PATH, "overLoadFactor(gm_load_rlx(HDR(count)) + 1, B)", "overLoadFactor(gm_load_rlx(HDR(count)), B)"),
    Mutant("kind of growth with count", "map/knobs.c", "return gm_over_load(m, gm_load_rlx(&m->h.count) + 1, gm_load_rlx(&m->h.B));", "return gm_over_load(m, gm_load_rlx(&m->h.count), gm_load_rlx(&m->h.B));"),
    Mutant("overflow limit: > instead of >=", HMAP_H, "noverflow >= (uint32_t)1", "noverflow > (uint32_t)1"),
    Mutant("no same-size growth", HMAP_H, "return noverflow >= (uint32_t)1 << (B > 15 ? 15 : B);", "return noverflow > 65000 + B;"),
    Mutant("one evacuation per write", HMAP, "            status = m->path->evacuate(m, next);", "            status = GM_OK;"),
    Mutant("delete does no growth work", PATH, "if (gm_unlikely(GROWING) && P(grow_work)(m, bucket) != GM_OK)\n        return GM_E_NOMEM;\n    unsigned cell;", "unsigned cell;"),
    Mutant("delete on an empty map does growth work", PATH, "PATH_HOT int P(delete_key)(gm_map *m, K(t) k, void *old_elem)\n{\n    if (gm_load_rlx(HDR(count)) == 0)", "PATH_HOT int P(delete_key)(gm_map *m, K(t) k, void *old_elem)\n{\n    if (!gm_load_rlx(HDR(buckets)))"),
    Mutant("reads ignore the old buckets", PATH, "if (!evacuated(oldb))\n            b = oldb;", "(void)oldb;"),
    Mutant("reads use evacuated buckets too", PATH, "if (!evacuated(oldb))\n            b = oldb;", "b = oldb;"),
    Mutant("growth also tested on overwriting", PATH, "if (at.hit) {", "if (at.hit && (GROWING || !overLoadFactor(gm_load_rlx(HDR(count)) + 1, B))) {"),
    Mutant("no preallocated overflow buckets", HMAP, "n += n >> 4;", "return n;"),
    Mutant("preallocation below B = 4", HMAP, "if (B < 4)", "if (B < 2)"),
    Mutant("no size-class rounding", HMAP, "return got == size ? n : got / t->bucketsize;", "return got == 0 ? 0 : n;"),
    Mutant("no malloc header for pointerful arrays", HMAP, "size > minSizeForMallocHeader ? mallocHeaderSize : 0", "size > minSizeForMallocHeader ? 0 : 0"),
    Mutant("makemap: hint + 1", HMAP, "overLoadFactor(hint, B)", "overLoadFactor(hint + 1, B)"),
    Mutant("delete: never emptyRest", PATH, "    gm_settle_emptyRest(m, first, b, cell);\n", ""),
    Mutant("delete: emptyRest stops at the bucket's border", HMAP, "} else if (b == first) {", "} else if (b) {"),
    Mutant("delete: emptyRest without looking behind", HMAP, "if (behind != emptyRest)\n        return;", "(void)behind;"),
    Mutant("delete: the next bucket is not looked at", HMAP, "next ? tophashAt(next, 0) : emptyRest", "emptyRest"),
    Mutant("delete: elem not zeroed", ELEMS, "    gm_shared_zero(slot, m->t.elemslot);\n", "    if (!gm_elem_plain(m))\n        gm_shared_zero(slot, m->t.elemslot);\n"),
    Mutant("delete: key zeroed", PATH, "K(wipe)(m, KEY_SLOT(b, cell));", "K(wipe)(m, KEY_SLOT(b, cell));\n    gm_shared_zero(KEY_SLOT(b, cell), m->t.keyslot);"),
    Mutant("delete: the slow path keeps the length", KEYS, "        gm_store_rlx(gm_string_len(slot), 0);", "        (void)slot;"),
    Mutant("insert: into the last free cell", PATH, "if (empty && !at.free) {", "if (empty) {"),
    Mutant("last delete keeps hash0", PATH, "if (gm_unlikely(count == 0))\n        gm_reset_hash0(m);", ""),
    Mutant("noverflow kept over a growth", HMAP, "    gm_store_rlx(&m->h.noverflow, 0);\n    m->extra.nold", "    m->extra.nold"),
    Mutant("evacuation: free cells keep their mark", PATH, "setTophash(b, i, evacuatedEmpty);", "setTophash(b, i, i == 0 ? evacuatedEmpty : top);"),
    Mutant("evacuation: old data never wiped", PATH, "if (m->t.bucket_pointers && !(", "if (m->t.bucketsize == 0 && !("),
    Mutant("evacuation: old data always wiped", PATH, "if (m->t.bucket_pointers && !(", "if (m->t.bucketsize && !("),
    Mutant("evacuation: wiped in spite of an iterator", PATH, "!(gm_load_rlx(HDR(flags)) & oldIterator)) {", "m->t.bucketsize) {"),
    Mutant("evacuation: the iterator flag decides", PATH, "!(gm_load_rlx(HDR(flags)) & oldIterator)) {", "!(gm_load_rlx(HDR(flags)) & iterator)) {"),
    Mutant("mark: no limit of 1,024", HMAP, "uint64_t stop = ++mark + 1024;", "uint64_t stop = ++mark + (1 << 30);"),
    Mutant("mark: skips nothing", HMAP, "while (mark < stop && evacuated(", "while (mark < stop && mark > stop && evacuated("),
    Mutant("nevacuate zeroed at the end", HMAP, "    gm_store_rlx(&m->h.nevacuate, mark);\n", "    gm_store_rlx(&m->h.nevacuate, mark == newbit ? 0 : mark);\n"),
    Mutant("sameSizeGrow kept at the end", HMAP, "    gm_store_rel(&m->h.flags, (uint8_t)(flags & ~sameSizeGrow)); /* pairs with find's acquire */\n    m->extra.freeze_at", "    m->extra.freeze_at"),
    Mutant("iterator: sets one flag only", ITER, "uint8_t both = iterator | oldIterator;", "uint8_t both = iterator;"),
    Mutant("growth keeps the iterator flags", HMAP, "flags &= (uint8_t) ~(iterator | oldIterator);", ""),
    Mutant("growth does not turn iterator to oldIterator", HMAP, "iterating ? flags | oldIterator : flags", "iterating ? flags : flags"),
    Mutant("iteration: of the current array", ITER, "at->b = bucketAt(m, it->buckets, at->bucket);", "at->b = bucketAt(m, gm_load_rlx(&m->h.buckets), at->bucket);"),
    Mutant("iteration: old buckets not consulted", ITER, "if (!evacuated(oldb)) {", "if (!oldb) {"),
    Mutant("iteration: evacuated old buckets read", ITER, "if (!evacuated(oldb)) {", "if (oldb) {"),
    Mutant("iteration: the sister's keys not skipped", ITER, "if (at->check == noCheck ||", "if (at->check != at->check + 1 ||"),
    Mutant("iteration: sister test in same-size growth", ITER, "if (at->check == noCheck || gm_load_rlx(&m->h.flags) & sameSizeGrow)", "if (at->check == noCheck)"),
    Mutant("iteration: no lookup of evacuated keys", ITER, "if (cleared || ((top", "if (cleared && ((top"),
    Mutant("iteration: clear unnoticed", ITER, "bool cleared = it->clearSeq != gm_load_rlx(&m->h.clearSeq);", "bool cleared = false;"),
    Mutant("iteration: offset ignored", ITER, "it->offset = offset & (bucketCnt - 1);", "it->offset = 0, (void)offset;"),
    Mutant("iteration: the old key after a lookup", ITER, "    yield(m, b, cell, key, elem);\n    return true;", "    yield_other_key(m, slot, key);\n    gm_elem_load(m, elemSlot(m, b, cell), elem);\n    return true;"),
    Mutant("iteration: position saved at the end", ITER, "            if (at.bucket == it->startBucket && it->wrapped)\n                return GM_END;", "            if (at.bucket == it->startBucket && it->wrapped) {\n                it->i = 0;\n                return GM_END;\n            }"),
    Mutant("NaN: iterator ignored", PATH, "(gm_load_rlx(HDR(flags)) & iterator) && !K(reflexive)", "(gm_load_rlx(HDR(flags)) & 128) && !K(reflexive)"),
    Mutant("NaN: tophash bit always decides", PATH, "(gm_load_rlx(HDR(flags)) & iterator) && !K(reflexive)", "!K(reflexive)"),
    Mutant("NaN: tophash kept", PATH, "        *top = tophash(hash);\n", ""),
    Mutant("NaN: looked up though evacuated", ITER, "(top == evacuatedX || top == evacuatedY) && reflexive", "(top == evacuatedX || top == evacuatedY)"),
    Mutant("float keys not rewritten", KEYS, "    if (m->t.key_kind == GM_FLOAT64)\n        gm_shared_store(slot, k.p, k.n);", "    (void)m, (void)slot, (void)k;"),
    Mutant("float keys hashed as integers", KEYS, "} else if (m->t.key_kind == GM_MEM && k.n == 8) {", "}\n    if (k.n == 8) {"),
    Mutant("float zeros hashed by their bits", KEYS, "if (d == 0)", "if (d != d && d == 0)"),
    Mutant("clear works on an empty map", "map/api.c", "} else if (count > 0) {", "} else if (gm_load_rlx(&m->h.buckets)) {"),
    Mutant("clear keeps noverflow", HMAP, "    gm_store_rlx(&m->h.noverflow, 0);\n    gm_store_rlx(&m->h.count, 0);", "    gm_store_rlx(&m->h.count, 0);"),
    Mutant("clear keeps nevacuate", HMAP, "    gm_store_rlx(&m->h.nevacuate, 0);\n    gm_store_rlx(&m->h.clearSeq", "    gm_store_rlx(&m->h.clearSeq"),
    Mutant("clear resets the iterator flags", HMAP, "(uint8_t)(gm_load_rlx(&m->h.flags) & ~sameSizeGrow)", "(uint8_t)(gm_load_rlx(&m->h.flags) & hashWriting)"),
    Mutant("clear does not give the reserve back", HMAP, "    adopt_reserve(m, buckets, gm_load_rlx(&m->h.B));\n    gm_collect", "    gm_collect"),
    Mutant("AES: the whole length mixed in", AES, "(n & 0xFFFF) * UINT64_C(0x0001000100010001)", "n * UINT64_C(0x0001000100010001)"),
    Mutant("AES: length mixed in once", AES, "(n & 0xFFFF) * UINT64_C(0x0001000100010001)", "(n & 0xFFFF)"),
    Mutant("AES: long input from its first 128 bytes", AES, "p + n - 128 + (size_t)16 * i", "p + (size_t)16 * i"),
    Mutant("AES: 2-byte keys as words", KEYS, "m->t.key_kind == GM_MEM && k.n == 4", "m->t.key_kind == GM_MEM && k.n <= 4"),
    Mutant("memhash: strides from 48 on", HASH, "if (n > 48)", "if (n >= 48 + 16)"),
    Mutant("memhash: the length left out", HASH, "UINT64_C(0x1D8E4E27C47D124F) ^ length", "UINT64_C(0x1D8E4E27C47D124F)"),
    Mutant("same-size growth rehashes", PATH, "unsigned y = same ? 0 : P(goes_to_y)", "unsigned y = same ? P(goes_to_y)(m, b, i, newbit, &top) & 0 : P(goes_to_y)"),
    Mutant("growth during a growth", PATH, "if (GROWING || !GROWTH_DUE", "if (!GROWTH_DUE"),
    Mutant("iteration: B not compared", ITER, "growing(m) && it->B == gm_load_rlx(&m->h.B)", "growing(m) && it->buckets != gm_load_rlx(&m->h.oldbuckets)"),
    Mutant("boxed elem: overwriting allocates", ELEMS, "    if (m->t.elem_indirect) {\n        gm_shared_store(gm_slot_ptr(slot), elem, m->t.elem_size);\n        return GM_OK;\n    }\n", ""),
    Mutant("delete that misses does no growth work", PATH, "if (gm_unlikely(GROWING) && P(grow_work)(m, bucket) != GM_OK)\n        return GM_E_NOMEM;\n    unsigned cell;", "unsigned cell;\n    if (GROWING && P(find)(m, k, &cell) && gm_growWork(m, bucket) != GM_OK)\n        return GM_E_NOMEM;"),
    Mutant("overwriting does no growth work", PATH, "if (gm_unlikely(GROWING) && P(grow_work)(m, bucket) != GM_OK)\n            return GM_E_NOMEM;\n        bmap *first", "unsigned c;\n        if (GROWING && !P(find)(m, k, &c) && gm_growWork(m, bucket) != GM_OK)\n            return GM_E_NOMEM;\n        bmap *first"),
    Mutant("no growth work right after a growth starts", PATH, "    for (;;) {\n        uint8_t B = gm_load_rlx(HDR(B));\n        uint64_t bucket = hash & bucketMask(B);\n        if (gm_unlikely(GROWING) &&", "    for (int again = 0;; again = 1) {\n        uint8_t B = gm_load_rlx(HDR(B));\n        uint64_t bucket = hash & bucketMask(B);\n        if (!again && GROWING &&"),
    Mutant("reads do growth work", PATH, "    if (gm_unlikely(!buckets))\n        return NULL;\n", "    if (gm_unlikely(!buckets))\n        return NULL;\n    if (GROWING)\n        gm_growWork(m, hash & mask);\n"),
    Mutant("evacuation order swapped", HMAP, "    int status = m->path->evacuate(m, bucket & (noldbuckets(m) - 1));\n", "    int status = m->path->evacuate(m, gm_load_rlx(&m->h.nevacuate));\n    if (status != GM_OK || !growing(m))\n        return status;\n    return m->path->evacuate(m, bucket & (noldbuckets(m) - 1));\n"),
    Mutant("delete: always emptyRest", PATH, "setTophash(b, cell, emptyOne);", "setTophash(b, cell, emptyRest);"),
    Mutant("delete: the short string path clears the length too", KEYS, "    gm_slot_set_ptr(slot, NULL);\n    gm_retire(m, p);\n}\n\n/* ------------------------------------------------------------------ all the rest */", "    gm_slot_set_ptr(slot, NULL);\n    gm_store_rlx(gm_string_len(slot), 0);\n    gm_retire(m, p);\n}\n\n/* ------------------------------------------------------------------ all the rest */"),
    Mutant("insert: search ends at emptyOne", PATH, "        if (matchTop(tops, emptyRest))\n            break;", "        if (empty)\n            break;"),
    Mutant("last delete also drops the growth", PATH, "        gm_reset_hash0(m);", "        gm_reset_hash0(m), gm_store_rlx(&m->h.oldbuckets, NULL);"),
    Mutant("evacuation: copies keep their cell index", PATH, "    K(move)(m, KEY_SLOT(to->b, to->i),", "    to->i = to->i < i ? i : to->i;\n    K(move)(m, KEY_SLOT(to->b, to->i),"),
    Mutant("iterator flags set on an empty map too", ITER, "    it->live = gm_load_rlx(&m->h.count) != 0;", "    it->live = gm_load_rlx(&m->h.count) != 0;\n        gm_or_rlx(&m->h.flags, iterator | oldIterator);"),
    Mutant("iterator flags cleared at the end", ITER, "            if (at.bucket == it->startBucket && it->wrapped)\n                return GM_END;", "            if (at.bucket == it->startBucket && it->wrapped) {\n                gm_store_rlx(&m->h.flags, (uint8_t)(gm_load_rlx(&m->h.flags) & ~(iterator | oldIterator)));\n                return GM_END;\n            }"),
    Mutant("iteration: offset on regular buckets only", ITER, "unsigned left = in_order(shown(tops), it->offset) >> at->i << at->i;\n    while (left) {\n        unsigned i = (unsigned)__builtin_ctz(left), cell = cell_of(it, i);", "unsigned offset = at->b >= it->buckets && at->b < bucketAt(m, it->buckets, bucketMask(it->B) + 1) ? it->offset : 0;\n    unsigned left = in_order(shown(tops), offset) >> at->i << at->i;\n    while (left) {\n        unsigned i = (unsigned)__builtin_ctz(left), cell = (i + offset) & (bucketCnt - 1);"),
    Mutant("clear: back to B = 0", HMAP, "    adopt_reserve(m, buckets, gm_load_rlx(&m->h.B));\n    gm_collect", "    adopt_reserve(m, buckets, gm_load_rlx(&m->h.B));\n    gm_store_rlx(&m->h.B, 0);\n    gm_collect"),
    Mutant("clear: no mark in the last reserve bucket", HMAP, "    adopt_reserve(m, buckets, gm_load_rlx(&m->h.B));\n    gm_collect", "    adopt_reserve(m, buckets, gm_load_rlx(&m->h.B));\n    setoverflow(m, bucketAt(m, buckets, m->extra.nbuckets - 1), NULL);\n    gm_collect"),
    Mutant("clear: new buckets instead of wiped ones", HMAP, "    uint64_t size = m->extra.nbuckets * m->t.bucketsize;\n    for", "    uint64_t size = m->extra.nbuckets * m->t.bucketsize;\n    gm_retire(m, buckets);\n    buckets = gm_mem_new(m, size);\n    gm_store_rel(&m->h.buckets, buckets);\n    for"),
    Mutant("clear: heap overflow buckets wiped too", HMAP, "            if (b != first && preallocIndex(m, array, regular, total, b) < 0)\n                gm_retire(m, b);", "            if (b != first && preallocIndex(m, array, regular, total, b) < 0) {\n                for (size_t at = 0; at < m->t.bucketsize; at += 8)\n                    gm_shared_zero((unsigned char *)b + at, 8);\n                gm_retire(m, b);\n            }"),
    Mutant("AES: short input zero-extended in front", AES, "    return AES(aes_word)(lo, hi);", "    return n < 8 ? AES(aes_word)(hi, lo) : AES(aes_word)(lo, hi);"),
    Mutant("boxed elem: evacuation copies the content", PATH, "    gm_elem_move(m, ELEM_SLOT(to->b, to->i), ELEM_SLOT(from, i));\n", "    gm_elem_move(m, ELEM_SLOT(to->b, to->i), ELEM_SLOT(from, i));\n    if (m->t.elem_indirect) {\n        void *box = gm_mem_new(m, m->t.elem_size);\n        memcpy(box, gm_slot_ptr(elemSlot(m, from, i)), m->t.elem_size);\n        gm_slot_set_ptr(elemSlot(m, to->b, to->i), box);\n    }\n"),
]  # fmt: skip

RUN = """
import random, sys
from pathlib import Path
from gomap.verify import verify_file
files = sorted(Path(sys.argv[1]).rglob("*.jsonl.gz"))
random.Random(1).shuffle(files)
for f in files:
    try:
        verify_file(f)
    except Exception as e:
        print(f.name)
        sys.exit(1)
"""


def plant(mutant: Mutant, folder: Path) -> None:
    """A buildable copy of the package with the mistake in it."""
    shutil.copytree(ROOT / "csrc", folder / "csrc")
    shutil.copytree(ROOT / "gomap", folder / "gomap", ignore=shutil.ignore_patterns("*.so", "*.pyc"))
    path = folder / "csrc" / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != 1:
        raise SystemExit(f"{mutant.name}: its text stands {text.count(mutant.old)} times in {mutant.file}")
    path.write_text(text.replace(mutant.old, mutant.new))


def verdict(mutant: Mutant) -> str:
    """What became of a mutant."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plant(mutant, folder)
        build = "from gomap._build import ffi; ffi.compile(verbose=False)"
        stub = folder / "gomap" / "__init__.py"
        whole = stub.read_text()
        stub.write_text("")  # _build alone must be importable before there is a core
        built = subprocess.run([sys.executable, "-c", build], cwd=folder, capture_output=True, text=True)
        stub.write_text(whole)
        if built.returncode != 0:
            return "BROKEN: does not compile: " + built.stderr.strip().splitlines()[-1]
        command = [sys.executable, "-c", RUN, str(ROOT / "tests" / "vectors")]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            return "caught: it hangs"
        if done.returncode < 0:
            return f"caught: it crashes (signal {-done.returncode})"
        return f"caught, e.g. by {done.stdout.strip()}" if done.returncode else "MISSED"


def main(only: str) -> int:
    chosen = [m for m in MUTANTS if only in m.name]
    bad = 0
    with ThreadPoolExecutor(2) as pool:
        for mutant, result in zip(chosen, pool.map(verdict, chosen), strict=True):
            bad += not result.startswith("caught")
            print(f"{mutant.name:<50} {result}", flush=True)
    print(f"{len(chosen)} mutants, {bad} not caught")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
