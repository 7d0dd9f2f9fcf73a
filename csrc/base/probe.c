/* probe.c: the thread's probe; probe.h tells what it is for. */
#include "base/probe.h"

GM_THREAD_LOCAL gm_probe *gm_probe_now;
