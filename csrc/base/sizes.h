/* sizes.h: the size classes of Go's allocator; told in sizes.c. */
#ifndef GM_SIZES_H
#define GM_SIZES_H

#include <stdbool.h>
#include <stdint.h>

enum {
    gm_size_classes = 68, /* with class 0, which stands for what is larger than all others */
    gm_max_small = 32768,
    gm_go_page = 8192,
};

extern const uint16_t gm_class_bytes[gm_size_classes]; /* an object's */
extern const uint8_t gm_class_pages[gm_size_classes];  /* a span's */

unsigned gm_size_class(uint64_t size); /* the smallest class that holds it; 0: none does */

#endif
