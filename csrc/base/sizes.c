/* sizes.c: the size classes of Go's allocator (internal/runtime/gc/sizeclasses.go of Go 1.25).
 *
 * The map needs them for the length of its arrays (W2 in map/hmap.c), the heap model for everything that it allocates. A span
 * of a class is so many pages of 8 KB that its tail, where no object fits any more, is at most an eighth of it.
 *
 * Found by bisection: seven steps for any size, and no second table to keep in step with the first.
 */
#include "base/sizes.h"

const uint16_t gm_class_bytes[gm_size_classes] = {
    0,    8,    16,   24,    32,    48,    64,    80,    96,    112,   128,   144,   160,   176,   192,   208,   224,
    240,  256,  288,  320,   352,   384,   416,   448,   480,   512,   576,   640,   704,   768,   896,   1024,  1152,
    1280, 1408, 1536, 1792,  2048,  2304,  2688,  3072,  3200,  3456,  4096,  4864,  5376,  6144,  6528,  6784,  6912,
    8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672, 32768};

const uint8_t gm_class_pages[gm_size_classes] = {0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,  1, 1, 1,
                                                 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 2, 1, 2, 1, 3, 2,  3, 1, 3,
                                                 2, 3, 4, 5, 6, 1, 7, 6, 5, 4, 3, 5, 7, 2, 9, 7, 5, 8, 3, 10, 7, 4};

unsigned gm_size_class(uint64_t size)
{
    if (size > gm_max_small)
        return 0;
    unsigned low = 1, high = gm_size_classes - 1;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (gm_class_bytes[middle] < size)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}
