/* hash_aes.inc.h: Go's AES hash, written once over a 16-byte block type and compiled twice (see hash.c for the algorithm).
 *
 * The includer defines AES(name), AES_FN, aes_t and the six block operations aes_word, aes_load, aes_load_aligned, aes_xor,
 * aes_round and aes_low. No include guard: this is a template.
 */

/* The block absorbs itself as round key n times: a mixer that needs no key schedule. */
AES_FN aes_t AES(aes_scramble)(aes_t s, int n)
{
    for (int i = 0; i < n; i++)
        s = AES(aes_round)(s, s);
    return s;
}

AES_FN aes_t AES(aes_key)(const gm_hashkeys *hk, unsigned i)
{
    return AES(aes_load_aligned)(hk->aeskeysched + (size_t)16 * i);
}

/* Keys of 4 or 8 bytes: seed and key side by side in one block, three rounds with three words of the schedule. */
AES_FN uint64_t AES(aes_hash_word)(const gm_hashkeys *hk, uint64_t key, uint64_t seed)
{
    aes_t s = AES(aes_word)(seed, key);
    s = AES(aes_round)(s, AES(aes_key)(hk, 0));
    s = AES(aes_round)(s, AES(aes_key)(hk, 1));
    s = AES(aes_round)(s, AES(aes_key)(hk, 2));
    return AES(aes_low)(s);
}

/* n <= 16 bytes as a block, zeros behind. Overlapping reads of fixed width instead of a copy of variable length. */
AES_FN aes_t AES(aes_load_short)(const uint8_t *p, size_t n)
{
    uint64_t lo, hi;
    if (n >= 8) {
        memcpy(&lo, p, 8);
        memcpy(&hi, p + n - 8, 8);
        hi = n == 8 ? 0 : hi >> (8 * (16 - n));
    } else if (n >= 4) {
        uint32_t a, b;
        memcpy(&a, p, 4);
        memcpy(&b, p + n - 4, 4);
        lo = a | (uint64_t)b << (8 * (n - 4));
        hi = 0;
    } else {
        lo = p[0] | (uint64_t)p[n / 2] << (8 * (n / 2)) | (uint64_t)p[n - 1] << (8 * (n - 1));
        hi = 0;
    }
    return AES(aes_word)(lo, hi);
}

/* More than 128 bytes: eight lanes start on the *last* 128 bytes, then absorb the front in steps of 128. */
AES_FN aes_t AES(aes_absorb_long)(const aes_t *seeds, const uint8_t *p, size_t n)
{
    aes_t s[8];
    for (unsigned i = 0; i < 8; i++)
        s[i] = AES(aes_xor)(AES(aes_load)(p + n - 128 + (size_t)16 * i), seeds[i]);
    for (size_t at = 0; at < (n - 1) / 128 * 128; at += 128)
        for (unsigned i = 0; i < 8; i++)
            s[i] = AES(aes_round)(AES(aes_scramble)(s[i], 1), AES(aes_load)(p + at + (size_t)16 * i));
    aes_t r = AES(aes_scramble)(s[0], 3);
    for (unsigned i = 1; i < 8; i++)
        r = AES(aes_xor)(r, AES(aes_scramble)(s[i], 3));
    return r;
}

/* 17 to 128 bytes in 2, 4 or 8 lanes: half of them from the front, half from the end, overlapping in the middle. */
AES_FN aes_t AES(aes_absorb_lanes)(const aes_t *seeds, unsigned lanes, const uint8_t *p, size_t n)
{
    aes_t r = AES(aes_word)(0, 0);
    for (unsigned i = 0; i < lanes; i++) {
        size_t at = i < lanes / 2 ? (size_t)16 * i : n - (size_t)16 * (lanes - i);
        r = AES(aes_xor)(r, AES(aes_scramble)(AES(aes_xor)(AES(aes_load)(p + at), seeds[i]), 3));
    }
    return r;
}

AES_FN uint64_t AES(aes_hash_bytes)(const gm_hashkeys *hk, const void *data, size_t n, uint64_t seed)
{
    const uint8_t *p = data;
    uint64_t length = (n & 0xFFFF) * UINT64_C(0x0001000100010001); /* 16 bits of it, four times */
    aes_t base = AES(aes_word)(seed, length), seeds[8];
    seeds[0] = AES(aes_scramble)(AES(aes_xor)(base, AES(aes_key)(hk, 0)), 1);
    if (n == 0)
        return AES(aes_low)(AES(aes_scramble)(seeds[0], 1));
    if (n <= 16)
        return AES(aes_low)(AES(aes_scramble)(AES(aes_xor)(seeds[0], AES(aes_load_short)(p, n)), 3));
    unsigned lanes = n <= 32 ? 2 : n <= 64 ? 4 : 8;
    for (unsigned i = 1; i < lanes; i++)
        seeds[i] = AES(aes_scramble)(AES(aes_xor)(base, AES(aes_key)(hk, i)), 1);
    return AES(aes_low)(n <= 128 ? AES(aes_absorb_lanes)(seeds, lanes, p, n) : AES(aes_absorb_long)(seeds, p, n));
}
