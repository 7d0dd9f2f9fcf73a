// Gate times gets of a real map, to be set beside the same gets of the model.
//
// Commands come on standard input, one a line, some followed by 8-byte keys as they lie in memory:
//
//	fill N\n  N keys    a new map of these keys
//	ask N\n   N keys    the keys to ask for, in this order
//	time\n              asks for all of them once; answers "NANOSECONDS HITS"
//
// The collector is off: it would move nothing in a map of integers, and what it costs is not a get's.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"
	"unsafe"
)

func readKeys(in io.Reader, n int) []int64 {
	keys := make([]int64, n)
	if n > 0 {
		if _, err := io.ReadFull(in, unsafe.Slice((*byte)(unsafe.Pointer(&keys[0])), 8*n)); err != nil {
			fmt.Fprintln(os.Stderr, "gate: keys missing")
			os.Exit(3)
		}
	}
	return keys
}

func fill(keys []int64) map[int64]int64 {
	m := make(map[int64]int64, len(keys))
	for i, k := range keys {
		m[k] = int64(i)
	}
	return m
}

var sum int64 // is stored to, so that no get can be left out

func timeGets(m map[int64]int64, keys []int64) (took time.Duration, hits int) {
	total, start := int64(0), time.Now()
	for _, k := range keys {
		if v, ok := m[k]; ok {
			total += v
			hits++
		}
	}
	took = time.Since(start)
	sum = total
	return took, hits
}

func main() {
	debug.SetGCPercent(-1)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	var m map[int64]int64
	var asked []int64
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		var command string
		var n int
		fmt.Sscan(line, &command, &n)
		switch command {
		case "fill":
			m = nil
			debug.FreeOSMemory() // the map before
			m = fill(readKeys(in, n))
		case "ask":
			asked = readKeys(in, n)
		case "time":
			took, hits := timeGets(m, asked)
			fmt.Println(took.Nanoseconds(), hits)
		default:
			fmt.Fprintf(os.Stderr, "gate: unknown command %q\n", command)
			os.Exit(3)
		}
	}
}
