/* main.c: gomap's side of `python -m bench.table`: a program that answers lines.
 *
 *     single KIND N FOLDER     one map on one thread: "int64" or "string" keys from FOLDER; filled
 *     time ROW                 one round of a row            -> ns operations hits sum faults
 *     limit ROW                the same of bare memory       -> ns operations hits sum faults
 *     memory                   of the map                    -> bytes
 *     shared TABLE FOLDER [-]  one map for several threads: "own:ID", "LIBRARY:NAME" of bench/peers, or "limit"
 *                              (bare.c: gets only); filled; -: none yet
 *                                                            -> bytes that the process grew by
 *     run MS TIMED CPU...      a thread a CPU (-1: not pinned) for so long -> see shared.c
 *     growth MS TIMED CPU CPU  a reader beside a writer that grows a map   -> see shared.c
 *     roundtrip CPU CPU        a cache line there and back   -> ns
 *
 * It answers each with "ok" and numbers, or with "error" and why. The caller keeps several such programs alive, this one and
 * those on real Go (../go, with the same commands), and has them take rounds in turn: whatever the machine does to one round,
 * it does to its neighbours too. Keys, their order and the threads' operations come as files that all read.
 *
 *   D1  Between the two clock readings of a round there is the loop of its operations, and nothing else.
 *   D2  What the operations found is counted and summed, so that none can be left out, and the caller compares the sums.
 *   D3  When the caller is gone (end of input), so is the program, after the round it is in.
 *
 * Compiled together with all of csrc, with the extension's own flags (bench/table/programs.py).
 */
#include "driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS = 80, LINE = 4096 };

struct answer {
    char text[LINE];
    size_t length;
};

static void answer_add(answer *a, const char *text)
{
    size_t n = strlen(text), room = sizeof a->text - 1 - a->length;
    n = n < room ? n : room;
    memcpy(a->text + a->length, text, n);
    a->length += n;
    a->text[a->length] = 0;
}

void answer_number(answer *a, double value)
{
    char text[40];
    snprintf(text, sizeof text, " %.17g", value);
    answer_add(a, text);
}

void answer_count(answer *a, uint64_t value)
{
    char text[40];
    snprintf(text, sizeof text, " %llu", (unsigned long long)value);
    answer_add(a, text);
}

void answer_timed(answer *a, const timed *t)
{
    answer_count(a, t->ns);
    answer_count(a, t->operations);
    answer_count(a, t->hits);
    answer_count(a, t->sum);
    answer_count(a, t->faults);
}

void answer_error(answer *a, const char *why)
{
    a->length = 0;
    answer_add(a, "error ");
    answer_add(a, why);
}

int input_open(input *in, const char *folder, const char *name)
{
    char path[LINE];
    struct stat told;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int file = open(path, O_RDONLY);
    if (file < 0)
        return -1;
    in->size = fstat(file, &told) == 0 ? (size_t)told.st_size : 0;
    in->bytes = in->size ? mmap(NULL, in->size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0) : MAP_FAILED;
    close(file);
    return in->bytes == MAP_FAILED ? -1 : 0;
}

void input_close(input *in)
{
    if (in->bytes)
        munmap((void *)(uintptr_t)in->bytes, in->size);
    in->bytes = NULL;
}

static const struct command {
    const char *name;
    int words; /* at least, its name included */
    void (*act)(char **words, int n, answer *a);
} commands[] = {
    {"single", 4, single_open}, {"time", 2, single_time}, {"limit", 2, single_limit},   {"memory", 1, single_memory},
    {"shared", 3, shared_open}, {"run", 4, shared_run},   {"growth", 5, shared_growth}, {"roundtrip", 3, core_roundtrip},
};

static void act(char *line, answer *a)
{
    char *words[WORDS], *rest = NULL;
    int n = 0;
    for (char *word = strtok_r(line, " \n", &rest); word && n < WORDS; word = strtok_r(NULL, " \n", &rest))
        words[n++] = word;
    answer_add(a, "ok");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct command *c = &commands[i];
        if (n >= c->words && strcmp(words[0], c->name) == 0) {
            c->act(words, n, a);
            return;
        }
    }
    answer_error(a, "no such command, or words are missing");
}

int main(void)
{
    char line[LINE];
    while (fgets(line, sizeof line, stdin)) {
        answer a = {.length = 0};
        act(line, &a);
        if (printf("%s\n", a.text) < 0 || fflush(stdout) != 0)
            return 1; /* nobody listens */
    }
    return 0;
}
