/* probe.c: the thread's probe; probe.h tells what it is for. */
#include "base/probe.h"

_Thread_local gm_probe *gm_probe_now;
