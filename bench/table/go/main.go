// Real Go's side of `python -m bench.table`: a program that answers lines, as ../driver does for gomap, with the same commands
// and the same answers. Built once for the classic and once for the Swiss map.
//
//	single KIND N FOLDER     one map on one goroutine, "int64" or "string" keys, filled
//	time ROW                 one round of a row            -> ns operations hits sum faults
//	memory                   live bytes of the heap after a collection, less those before the map was made
//	shared DESIGN FOLDER [-] "syncmap" or "rwmutex", filled -> live bytes that the heap grew by; -: none yet
//	run MS TIMED CPU...      a goroutine a CPU, locked to a thread that is pinned to it; -1: neither
//	growth MS TIMED CPU CPU  a reader beside a writer that grows a map
//
// The collector runs between rounds and not within them: gomap has none, and what it takes is not the map's. Maps of words and
// of int64 keys hold no pointers; those of strings do, but no row of theirs allocates.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

var commands = map[string]struct {
	words int
	act   func(words []string) ([]any, error)
}{
	"single": {4, openSingle},
	"time":   {2, timeRow},
	"memory": {1, memory},
	"shared": {3, openShared},
	"run":    {4, runShared},
	"growth": {5, grow},
}

func act(line string) ([]any, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return nil, errors.New("no command")
	}
	command, known := commands[words[0]]
	if !known || len(words) < command.words {
		return nil, errors.New("no such command, or words are missing")
	}
	return command.act(words)
}

func main() {
	debug.SetGCPercent(-1)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		told := "ok"
		if numbers, err := act(in.Text()); err != nil {
			told = "error " + err.Error()
		} else {
			for _, n := range numbers {
				told += fmt.Sprintf(" %v", n)
			}
		}
		if _, err := fmt.Println(told); err != nil {
			os.Exit(1) // nobody listens
		}
	}
}

var start = time.Now()

// now is the time in nanoseconds since the program began.
func now() int64 { return int64(time.Since(start)) }

func liveBytes() uint64 {
	var told runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&told)
	return told.HeapAlloc
}

const rusageThread = 1

func usage() (used syscall.Rusage) {
	syscall.Getrusage(rusageThread, &used)
	return used
}

// file is one of the inputs, in memory for reading.
func file(folder, name string) ([]byte, error) {
	f, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	told, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return syscall.Mmap(int(f.Fd()), 0, int(told.Size()), syscall.PROT_READ, syscall.MAP_SHARED|syscall.MAP_POPULATE)
}

func words(folder, name string) ([]int64, error) {
	bytes, err := file(folder, name)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*int64)(unsafe.Pointer(&bytes[0])), len(bytes)/8), nil
}
