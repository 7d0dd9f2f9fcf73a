"""One table of how fast gomap's maps are beside others: `python -m bench.table`. See docs/benchmarks.md.

aims.py         the rows, and the ratios that they are to reach
programs.py     the native programs: gomap's (driver/), real Go's (go/)
inputs.py       keys and operations, as files that all programs read
single.py       one map on one thread
concurrent.py   one map and several threads; a growing map
python.py       from Python, many keys a call and one
scaling.py      by size and by number of threads
lines.py        what a row found, its ratio and its verdict
text.py         the table on a terminal
"""
