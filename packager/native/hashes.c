/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * SHA-1 and SHA-256 (FIPS 180-4) of several messages at once, in two ways:
 *
 * - sixteen messages of one length, at equal distances in memory: with AVX-512 each 32-bit lane of a vector is
 *   a message of its own; with the SHA instructions four chains are in one loop, since one alone waits most of the
 *   time for its own last result;
 * - the pieces, the leaves and the members of one stream: three chains in one loop of SHA instructions.
 *
 * Plain functions, called by hashes.py through ctypes; nothing is allocated and nothing is kept.
 */
#include <cpuid.h>
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 16
#define BLOCK 64 /* bytes that are compressed at once */
#define AVX512 __attribute__((target("avx512f,avx512bw")))
#define INLINE AVX512 static inline __attribute__((always_inline))
#define EXPORTED __attribute__((visibility("default")))

typedef __m512i vector; /* a 32-bit word of each message */
typedef const uint8_t *const *messages;
typedef void compress(uint32_t *states, messages data, size_t blocks);

/* Truth tables of three inputs, as VPTERNLOGD takes them. */
#define XOR3(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x96)
#define CHOOSE(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xca)
#define MAJORITY(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xe8)
#define ADD(x, y) _mm512_add_epi32(x, y)
#define ROR(x, bits) _mm512_ror_epi32(x, bits)
#define ROL(x, bits) _mm512_rol_epi32(x, bits)
#define ALL(word) _mm512_set1_epi32((int)(word))

/* Read 64 bytes of each message from `at`: word[i] becomes the i-th big-endian word of all sixteen. */
INLINE void read_words(vector word[16], messages data, size_t at)
{
    const vector swap = _mm512_broadcast_i32x4(_mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203));
    vector row[16], pair[16];

#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        row[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(data[i] + at), swap);
    /* A 16 x 16 transposition: words, pairs of words, then quarters of a vector twice. */
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
        pair[i] = _mm512_unpacklo_epi32(row[i], row[i + 1]);
        pair[i + 1] = _mm512_unpackhi_epi32(row[i], row[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
        row[i] = _mm512_unpacklo_epi64(pair[i], pair[i + 2]);
        row[i + 1] = _mm512_unpackhi_epi64(pair[i], pair[i + 2]);
        row[i + 2] = _mm512_unpacklo_epi64(pair[i + 1], pair[i + 3]);
        row[i + 3] = _mm512_unpackhi_epi64(pair[i + 1], pair[i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        vector low = _mm512_shuffle_i32x4(row[i], row[i + 4], 0x88);
        vector high = _mm512_shuffle_i32x4(row[i], row[i + 4], 0xdd);
        vector low2 = _mm512_shuffle_i32x4(row[i + 8], row[i + 12], 0x88);
        vector high2 = _mm512_shuffle_i32x4(row[i + 8], row[i + 12], 0xdd);
        word[i] = _mm512_shuffle_i32x4(low, low2, 0x88);
        word[i + 8] = _mm512_shuffle_i32x4(low, low2, 0xdd);
        word[i + 4] = _mm512_shuffle_i32x4(high, high2, 0x88);
        word[i + 12] = _mm512_shuffle_i32x4(high, high2, 0xdd);
    }
}

/* SHA-256: FIPS 180-4, 4.1.2, 4.2.2, 5.3.3, 6.2.2 */

static const uint32_t sha256_start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static const uint32_t sha256_k[64] __attribute__((aligned(64))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#define BIG_SIGMA0(x) XOR3(ROR(x, 2), ROR(x, 13), ROR(x, 22))
#define BIG_SIGMA1(x) XOR3(ROR(x, 6), ROR(x, 11), ROR(x, 25))
#define SIGMA0(x) XOR3(ROR(x, 7), ROR(x, 18), _mm512_srli_epi32(x, 3))
#define SIGMA1(x) XOR3(ROR(x, 17), ROR(x, 19), _mm512_srli_epi32(x, 10))

AVX512 static void sha256_compress(uint32_t *states, messages data, size_t blocks)
{
    vector word[16], state[8];

    for (int i = 0; i < 8; i++)
        state[i] = _mm512_loadu_si512(states + LANES * i);
    for (size_t at = 0; at < blocks * BLOCK; at += BLOCK) {
        vector a = state[0], b = state[1], c = state[2], d = state[3];
        vector e = state[4], f = state[5], g = state[6], h = state[7];

        read_words(word, data, at);
        for (int first = 0; first < 64; first += 16) {
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++) {
                if (first) {
                    vector late = ADD(SIGMA1(word[(i + 14) & 15]), word[(i + 9) & 15]);
                    word[i] = ADD(ADD(word[i], SIGMA0(word[(i + 1) & 15])), late);
                }
                vector known = ADD(ADD(h, ALL(sha256_k[first + i])), word[i]);
                vector t1 = ADD(BIG_SIGMA1(e), ADD(CHOOSE(e, f, g), known));
                vector t2 = ADD(BIG_SIGMA0(a), MAJORITY(a, b, c));
                h = g, g = f, f = e, e = ADD(d, t1), d = c, c = b, b = a, a = ADD(t1, t2);
            }
        }
        state[0] = ADD(state[0], a), state[1] = ADD(state[1], b);
        state[2] = ADD(state[2], c), state[3] = ADD(state[3], d);
        state[4] = ADD(state[4], e), state[5] = ADD(state[5], f);
        state[6] = ADD(state[6], g), state[7] = ADD(state[7], h);
    }
    for (int i = 0; i < 8; i++)
        _mm512_storeu_si512(states + LANES * i, state[i]);
}

/* SHA-1: FIPS 180-4, 4.1.1, 4.2.1, 5.3.1, 6.1.2 */

static const uint32_t sha1_start[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

/* Twenty rounds from `first`, which share a function and a constant. */
#define SHA1_ROUNDS(first, function, constant)                                                          \
    _Pragma("GCC unroll 20") for (int i = first; i < first + 20; i++)                                   \
    {                                                                                                   \
        if (i >= 16) {                                                                                  \
            vector mixed = XOR3(word[(i + 13) & 15], word[(i + 8) & 15], word[(i + 2) & 15]);           \
            word[i & 15] = ROL(_mm512_xor_si512(mixed, word[i & 15]), 1);                               \
        }                                                                                               \
        vector known = ADD(ADD(e, ALL(constant)), word[i & 15]);                                        \
        vector t = ADD(ROL(a, 5), ADD(function(b, c, d), known));                                       \
        e = d, d = c, c = ROL(b, 30), b = a, a = t;                                                     \
    }

AVX512 static void sha1_compress(uint32_t *states, messages data, size_t blocks)
{
    vector word[16], state[5];

    for (int i = 0; i < 5; i++)
        state[i] = _mm512_loadu_si512(states + LANES * i);
    for (size_t at = 0; at < blocks * BLOCK; at += BLOCK) {
        vector a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];

        read_words(word, data, at);
        SHA1_ROUNDS(0, CHOOSE, 0x5a827999)
        SHA1_ROUNDS(20, XOR3, 0x6ed9eba1)
        SHA1_ROUNDS(40, MAJORITY, 0x8f1bbcdc)
        SHA1_ROUNDS(60, XOR3, 0xca62c1d6)
        state[0] = ADD(state[0], a), state[1] = ADD(state[1], b), state[2] = ADD(state[2], c);
        state[3] = ADD(state[3], d), state[4] = ADD(state[4], e);
    }
    for (int i = 0; i < 5; i++)
        _mm512_storeu_si512(states + LANES * i, state[i]);
}

/* The SHA instructions. Of SHA-256's working variables they hold a, b, e, f in one vector, c, d, g, h in the other;
 * SHA-1's a to d are in one vector and e is the top of another. Words of a block are four vectors of four. */

#define SHA_NI __attribute__((target("sha,sse4.1,ssse3")))
#define INLINE_NI SHA_NI static inline __attribute__((always_inline))

/* How the bytes of a block become words: big-endian, and for SHA-1 the first word on top. */
#define SHA256_ORDER _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203)
#define SHA1_ORDER _mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f)
#define SIDE_BY_SIDE 4 /* messages: one waits for its own last result, three or four keep the core busy */

typedef __m128i words; /* four */
typedef struct { words abef, cdgh; } sha256_vectors;
typedef struct { words abcd, e; } sha1_vectors;

INLINE_NI sha256_vectors sha256_load(const uint32_t *state)
{
    words low = _mm_shuffle_epi32(_mm_loadu_si128((const words *)state), 0xb1);
    words high = _mm_shuffle_epi32(_mm_loadu_si128((const words *)(state + 4)), 0x1b);

    return (sha256_vectors){_mm_alignr_epi8(low, high, 8), _mm_blend_epi16(high, low, 0xf0)};
}

INLINE_NI void sha256_store(uint32_t *state, sha256_vectors vectors)
{
    words low = _mm_shuffle_epi32(vectors.abef, 0x1b), high = _mm_shuffle_epi32(vectors.cdgh, 0xb1);

    _mm_storeu_si128((words *)state, _mm_blend_epi16(low, high, 0xf0));
    _mm_storeu_si128((words *)(state + 4), _mm_alignr_epi8(high, low, 8));
}

INLINE_NI void sha256_rounds(sha256_vectors *vectors, words low, words high)
{
    vectors->cdgh = _mm_sha256rnds2_epu32(vectors->cdgh, vectors->abef, low);
    vectors->abef = _mm_sha256rnds2_epu32(vectors->abef, vectors->cdgh, high);
}

INLINE_NI void sha1_rounds(sha1_vectors *vectors, words e, int function)
{
    vectors->e = vectors->abcd;
    switch (function) { /* the instruction takes a constant */
    case 0: vectors->abcd = _mm_sha1rnds4_epu32(vectors->abcd, e, 0); break;
    case 1: vectors->abcd = _mm_sha1rnds4_epu32(vectors->abcd, e, 1); break;
    case 2: vectors->abcd = _mm_sha1rnds4_epu32(vectors->abcd, e, 2); break;
    default: vectors->abcd = _mm_sha1rnds4_epu32(vectors->abcd, e, 3);
    }
}

INLINE_NI sha1_vectors sha1_load(const uint32_t *state)
{
    words abcd = _mm_shuffle_epi32(_mm_loadu_si128((const words *)state), 0x1b);

    return (sha1_vectors){abcd, _mm_set_epi32((int)state[4], 0, 0, 0)};
}

INLINE_NI void sha1_store(uint32_t *state, sha1_vectors vectors)
{
    _mm_storeu_si128((words *)state, _mm_shuffle_epi32(vectors.abcd, 0x1b));
    state[4] = (uint32_t)_mm_extract_epi32(vectors.e, 3);
}

/* Words 16 to 63 of SHA-256's message schedule, four at a time, in the place of those sixteen before. */
INLINE_NI void sha256_schedule(words w[4], int i)
{
    words late = _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4);

    w[i & 3] = _mm_add_epi32(_mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]), late);
    w[i & 3] = _mm_sha256msg2_epu32(w[i & 3], w[(i + 3) & 3]);
}

/* Four rounds of SHA-1, the i-th of twenty, and its message schedule. */
INLINE_NI void sha1_step(sha1_vectors *vectors, words w[4], int i)
{
    words e = i ? _mm_sha1nexte_epu32(vectors->e, w[i & 3]) : _mm_add_epi32(vectors->e, w[0]);

    sha1_rounds(vectors, e, i / 5);
    if (i < 16) {
        w[i & 3] = _mm_xor_si128(_mm_sha1msg1_epu32(w[i & 3], w[(i + 1) & 3]), w[(i + 2) & 3]);
        w[i & 3] = _mm_sha1msg2_epu32(w[i & 3], w[(i + 3) & 3]);
    }
}

INLINE_NI void sha256_add(sha256_vectors *to, sha256_vectors before)
{
    to->abef = _mm_add_epi32(to->abef, before.abef);
    to->cdgh = _mm_add_epi32(to->cdgh, before.cdgh);
}

INLINE_NI void sha1_add(sha1_vectors *to, sha1_vectors before)
{
    to->e = _mm_sha1nexte_epu32(to->e, before.e);
    to->abcd = _mm_add_epi32(to->abcd, before.abcd);
}

INLINE_NI void read_block(words w[4], const uint8_t *data, words order)
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const words *)(data + 16 * i)), order);
}

/* Four messages, whose states stand one after the other, eight words each. */
SHA_NI static void sha256_side_by_side(uint32_t *states, messages data, size_t blocks)
{
    sha256_vectors now[SIDE_BY_SIDE], before[SIDE_BY_SIDE];
    words w[SIDE_BY_SIDE][4];

#pragma GCC unroll 4
    for (int lane = 0; lane < SIDE_BY_SIDE; lane++)
        now[lane] = sha256_load(states + 8 * lane);
    for (size_t at = 0; at < blocks * BLOCK; at += BLOCK) {
#pragma GCC unroll 4
        for (int lane = 0; lane < SIDE_BY_SIDE; lane++) {
            before[lane] = now[lane];
            read_block(w[lane], data[lane] + at, SHA256_ORDER);
        }
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
#pragma GCC unroll 4
            for (int lane = 0; lane < SIDE_BY_SIDE; lane++) {
                words low = _mm_add_epi32(w[lane][i & 3], _mm_load_si128((const words *)(sha256_k + 4 * i)));
                sha256_rounds(&now[lane], low, _mm_shuffle_epi32(low, 0x0e));
                if (i < 12)
                    sha256_schedule(w[lane], i);
            }
        }
#pragma GCC unroll 4
        for (int lane = 0; lane < SIDE_BY_SIDE; lane++)
            sha256_add(&now[lane], before[lane]);
    }
#pragma GCC unroll 4
    for (int lane = 0; lane < SIDE_BY_SIDE; lane++)
        sha256_store(states + 8 * lane, now[lane]);
}

SHA_NI static void sha1_side_by_side(uint32_t *states, messages data, size_t blocks)
{
    sha1_vectors now[SIDE_BY_SIDE], before[SIDE_BY_SIDE];
    words w[SIDE_BY_SIDE][4];

#pragma GCC unroll 4
    for (int lane = 0; lane < SIDE_BY_SIDE; lane++)
        now[lane] = sha1_load(states + 8 * lane);
    for (size_t at = 0; at < blocks * BLOCK; at += BLOCK) {
#pragma GCC unroll 4
        for (int lane = 0; lane < SIDE_BY_SIDE; lane++) {
            before[lane] = now[lane];
            read_block(w[lane], data[lane] + at, SHA1_ORDER);
        }
#pragma GCC unroll 20
        for (int i = 0; i < 20; i++)
#pragma GCC unroll 4
            for (int lane = 0; lane < SIDE_BY_SIDE; lane++)
                sha1_step(&now[lane], w[lane], i);
#pragma GCC unroll 4
        for (int lane = 0; lane < SIDE_BY_SIDE; lane++)
            sha1_add(&now[lane], before[lane]);
    }
#pragma GCC unroll 4
    for (int lane = 0; lane < SIDE_BY_SIDE; lane++)
        sha1_store(states + 8 * lane, now[lane]);
}

/* Do what the AVX-512 functions do, on their states: four lanes, then the next four, while there are messages. */
static void in_fours(compress *four, int count, uint32_t *states, messages data, size_t blocks)
{
    uint32_t turned[SIDE_BY_SIDE][8];

    for (int first = 0; first < LANES && !(first && data[first] == data[0]); first += SIDE_BY_SIDE) {
        for (int lane = 0; lane < SIDE_BY_SIDE; lane++)
            for (int i = 0; i < count; i++)
                turned[lane][i] = states[LANES * i + first + lane];
        four(turned[0], data + first, blocks);
        for (int lane = 0; lane < SIDE_BY_SIDE; lane++)
            for (int i = 0; i < count; i++)
                states[LANES * i + first + lane] = turned[lane][i];
    }
}

static void sha256_in_fours(uint32_t *states, messages data, size_t blocks)
{
    in_fours(sha256_side_by_side, 8, states, data, blocks);
}

static void sha1_in_fours(uint32_t *states, messages data, size_t blocks)
{
    in_fours(sha1_side_by_side, 5, states, data, blocks);
}

static uint8_t *write_word(uint8_t *place, uint32_t word)
{
    for (int bits = 24; bits >= 0; bits -= 8)
        *place++ = (uint8_t)(word >> bits);
    return place;
}

/* Make the last blocks of a message of `size` bytes, of which fewer than a block, `rest`, are left (5.1.1). */
static size_t pad(uint8_t tail[2 * BLOCK], const uint8_t *data, size_t rest, uint64_t size)
{
    size_t blocks = rest + 9 > BLOCK ? 2 : 1;

    memset(tail, 0, 2 * BLOCK);
    if (rest)
        memcpy(tail, data, rest);
    tail[rest] = 0x80;
    write_word(write_word(tail + blocks * BLOCK - 8, (uint32_t)(size >> 29)), (uint32_t)(size << 3));
    return blocks;
}

/* What both have in common: states are words of sixteen lanes, all first words first. */

static void start(uint32_t *states, const uint32_t *words, int count)
{
    for (int i = 0; i < count * LANES; i++)
        states[i] = words[i / LANES];
}

/* Point at each message; lanes past the last one hash the first again, and nobody looks at what they find. */
static void point(const uint8_t *data[LANES], const uint8_t *first, size_t distance, size_t count)
{
    for (size_t lane = 0; lane < LANES; lane++)
        data[lane] = first + (lane < count ? lane * distance : 0);
}

/* Hash the last `rest` bytes of each message, fewer than a block, and the padding; write the digests. */
static void finish(
    compress *compressed, uint32_t *states, int words, const uint8_t *first, size_t distance, size_t count,
    size_t rest, uint64_t size, uint8_t *digests)
{
    uint8_t tail[LANES][2 * BLOCK];
    const uint8_t *data[LANES];
    size_t blocks = 0;

    for (size_t lane = 0; lane < count; lane++)
        blocks = pad(tail[lane], first + lane * distance, rest, size);
    point(data, tail[0], sizeof tail[0], count);
    compressed(states, data, blocks);
    for (size_t lane = 0; lane < count; lane++)
        for (int i = 0; i < words; i++)
            digests = write_word(digests, states[LANES * i + lane]);
}

enum { BY_SHA = 1, BY_AVX512 = 2 };

/* By what this processor can hash; both is their sum, and 0 neither. */
EXPORTED int packager_ways(void)
{
    unsigned int a, b = 0, c, d;

    __builtin_cpu_init();
    int wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
    int sha = __builtin_cpu_supports("sse4.1") && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
    return (wide ? BY_AVX512 : 0) | (sha ? BY_SHA : 0);
}

/* Write the SHA-256, 32 bytes each, of `count` messages of `size` bytes that follow each other. */
EXPORTED void packager_sha256(int way, const uint8_t *first, size_t size, size_t count, uint8_t *digests)
{
    compress *compressed = way == BY_AVX512 ? sha256_compress : sha256_in_fours;
    uint32_t states[8 * LANES];
    const uint8_t *data[LANES];
    size_t whole = size / BLOCK * BLOCK;

    while (count) {
        size_t some = count < LANES ? count : LANES;
        start(states, sha256_start, 8);
        point(data, first, size, some);
        compressed(states, data, whole / BLOCK);
        finish(compressed, states, 8, first + whole, size, some, size - whole, size, digests);
        first += some * size, digests += some * 32, count -= some;
    }
}

/* Begin sixteen SHA-1: `states` has room for 5 * 16 words. */
EXPORTED void packager_sha1_start(uint32_t *states)
{
    start(states, sha1_start, 5);
}

/* Take the next `blocks` blocks of 64 bytes of each of `count` messages, at most sixteen, `distance` bytes apart. */
EXPORTED void packager_sha1_update(
    int way, uint32_t *states, const uint8_t *first, size_t distance, size_t count, size_t blocks)
{
    const uint8_t *data[LANES];

    point(data, first, distance, count);
    (way == BY_AVX512 ? sha1_compress : sha1_in_fours)(states, data, blocks);
}

/* Take the last `rest` bytes, fewer than 64, of messages of `size` bytes each, and write the digests, 20 bytes each. */
EXPORTED void packager_sha1_finish(
    int way, uint32_t *states, const uint8_t *first, size_t distance, size_t count, size_t rest, uint64_t size,
    uint8_t *digests)
{
    finish(way == BY_AVX512 ? sha1_compress : sha1_in_fours, states, 5, first, distance, count, rest, size, digests);
}

/* One stream. */

#define LEAF_LENGTH 16384 /* bytes (BEP 52) */

enum { PIECE, LEAF, MESSAGE }; /* the chains of a stream */

struct chain {
    uint64_t bytes;    /* of the open piece, leaf or message, that are hashed */
    uint64_t length;   /* of each, in whole blocks; 0: there are none, or a message's end is told */
    uint32_t state[8]; /* five for a piece */
};

/* Take blocks of 64 bytes into the open piece, leaf and message, or those of them that are asked for. */
INLINE_NI void take(
    struct chain *chains, const uint8_t *data, size_t blocks, const int piece, const int leaf, const int message)
{
    const words swap256 = SHA256_ORDER, swap1 = SHA1_ORDER;
    sha256_vectors of_leaf = sha256_load(chains[LEAF].state), of_message = sha256_load(chains[MESSAGE].state);
    sha1_vectors of_piece = sha1_load(chains[PIECE].state);

    for (; blocks--; data += BLOCK) {
        sha256_vectors leaf_before = of_leaf, message_before = of_message;
        sha1_vectors piece_before = of_piece;
        words w[4], v[4]; /* the message schedules of SHA-256, which leaf and message share, and of SHA-1 */

#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            words raw = _mm_loadu_si128((const words *)(data + 16 * i));
            w[i] = _mm_shuffle_epi8(raw, swap256);
            v[i] = _mm_shuffle_epi8(raw, swap1);
        }
#pragma GCC unroll 20
        for (int i = 0; i < 20; i++) { /* four rounds of each */
            if (i < 16 && (leaf || message)) {
                words low = _mm_add_epi32(w[i & 3], _mm_load_si128((const words *)(sha256_k + 4 * i)));
                words high = _mm_shuffle_epi32(low, 0x0e);
                if (leaf)
                    sha256_rounds(&of_leaf, low, high);
                if (message)
                    sha256_rounds(&of_message, low, high);
                if (i < 12)
                    sha256_schedule(w, i);
            }
            if (piece)
                sha1_step(&of_piece, v, i);
        }
        sha256_add(&of_leaf, leaf_before);
        sha256_add(&of_message, message_before);
        sha1_add(&of_piece, piece_before);
    }
    if (leaf)
        sha256_store(chains[LEAF].state, of_leaf);
    if (message)
        sha256_store(chains[MESSAGE].state, of_message);
    if (piece)
        sha1_store(chains[PIECE].state, of_piece);
}

/* Take `size` bytes, whole blocks, into those chains. Each case gets a loop of its own. */
SHA_NI static void take_bytes(struct chain *chains, const uint8_t *data, size_t size, int piece, int leaf, int message)
{
    size_t blocks = size / BLOCK;

    switch (4 * piece + 2 * leaf + message) {
    case 1: take(chains, data, blocks, 0, 0, 1); break;
    case 2: take(chains, data, blocks, 0, 1, 0); break;
    case 3: take(chains, data, blocks, 0, 1, 1); break;
    case 4: take(chains, data, blocks, 1, 0, 0); break;
    case 5: take(chains, data, blocks, 1, 0, 1); break;
    case 6: take(chains, data, blocks, 1, 1, 0); break;
    case 7: take(chains, data, blocks, 1, 1, 1); break;
    }
    chains[PIECE].bytes += piece ? size : 0;
    chains[LEAF].bytes += leaf ? size : 0;
    chains[MESSAGE].bytes += message ? size : 0;
}

static void begin(struct chain *chain, int which)
{
    chain->bytes = 0;
    if (which == PIECE)
        memcpy(chain->state, sha1_start, sizeof sha1_start);
    else
        memcpy(chain->state, sha256_start, sizeof sha256_start);
}

/* End a piece, leaf or message with `rest` more bytes, fewer than a block, and begin the next; write the digest. */
static uint8_t *end(struct chain *chains, int which, const uint8_t *data, size_t rest, uint8_t *digest)
{
    uint8_t tail[2 * BLOCK];
    size_t blocks = pad(tail, data, rest, chains[which].bytes + rest);

    take_bytes(chains, tail, blocks * BLOCK, which == PIECE, which == LEAF, which == MESSAGE);
    for (int i = 0; i < (which == PIECE ? 5 : 8); i++)
        digest = write_word(digest, chains[which].state[i]);
    begin(&chains[which], which);
    return digest;
}

/* How many bytes a stream's chains take. */
EXPORTED size_t packager_stream_size(void)
{
    return 3 * sizeof(struct chain);
}

/* Begin a stream. piece_length: bytes, whole blocks; 0: no pieces are hashed. */
EXPORTED void packager_stream_start(struct chain *chains, uint64_t piece_length, int has_leaves)
{
    chains[PIECE].length = piece_length;
    chains[LEAF].length = has_leaves ? LEAF_LENGTH : 0;
    chains[MESSAGE].length = 0;
    for (int which = PIECE; which <= MESSAGE; which++)
        begin(&chains[which], which);
}

/* Take the next `size` bytes of a stream, whole blocks, and write the digests of what ends in them.
 *
 * spans: three numbers each: where in `data` bytes of a message begin, at a block, where they stop, whether it ends. */
EXPORTED void packager_stream_update(
    struct chain *chains, const uint8_t *data, size_t size, const uint64_t *spans, size_t count, uint8_t *pieces,
    uint8_t *leaves, uint8_t *messages)
{
    uint8_t **digests[] = {&pieces, &leaves};

    for (size_t at = 0; at < size || count;) {
        int inside = count && spans[0] <= at;
        size_t stop = inside ? spans[1] : count ? spans[0] : size;
        size_t run = (stop - at) / BLOCK * BLOCK;

        for (int which = PIECE; which <= LEAF; which++)
            if (chains[which].length && run > chains[which].length - chains[which].bytes)
                run = chains[which].length - chains[which].bytes;
        take_bytes(chains, data + at, run, chains[PIECE].length > 0, chains[LEAF].length > 0, inside);
        at += run;
        for (int which = PIECE; which <= LEAF; which++)
            if (chains[which].length && chains[which].bytes == chains[which].length)
                *digests[which] = end(chains, which, data, 0, *digests[which]);
        if (inside && stop - at < BLOCK) {
            if (spans[2])
                messages = end(chains, MESSAGE, data + at, stop - at, messages);
            spans += 3, count--;
        }
    }
}

/* End a stream: write the digests of the last piece and leaf, where those are shorter. */
EXPORTED void packager_stream_finish(struct chain *chains, uint8_t *piece, uint8_t *leaf)
{
    if (chains[PIECE].bytes)
        end(chains, PIECE, NULL, 0, piece);
    if (chains[LEAF].bytes)
        end(chains, LEAF, NULL, 0, leaf);
}
