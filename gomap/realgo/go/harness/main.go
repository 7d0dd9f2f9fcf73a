// The harness runs a workload of gomap's on a real Go map and answers with the result in the engine's schema.
//
// Input: a line with a command as JSON, then the traces that it names as raw bytes (trace.go). Further lines: "cancel" ends the
// run, and what was measured until then is the answer. When the input ends, whoever asked is gone, and so is this program.
//
// Output: lines of JSON. {"progress": 0.25} now and then, and last {"result": ...} or {"error": "..."}. Of the
// commands "requests" and "stream", which tests use to compare the draws with the engine's: raw bytes.
//
// A map that breaks the rules of its design ends the program, as it ends any other: "fatal error: concurrent map writes".
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

var (
	output   = json.NewEncoder(os.Stdout)
	speaking sync.Mutex
)

func say(what string, value any) {
	speaking.Lock()
	defer speaking.Unlock()
	if output.Encode(map[string]any{what: value}) != nil {
		os.Exit(1) // nobody listens
	}
}

func fail(format string, values ...any) {
	say("error", fmt.Sprintf(format, values...))
	os.Exit(1)
}

func readCommand(from *bufio.Reader) (*command, error) {
	line, err := from.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	c := &command{}
	if err := json.Unmarshal(line, c); err != nil {
		return nil, err
	}
	for _, head := range c.Traces {
		if head.Group < 0 || head.Group >= len(c.Workload.Groups) || head.Count < 1 {
			return nil, fmt.Errorf("a trace of %d operations for group %d", head.Count, head.Group)
		}
		if c.Workload.Groups[head.Group].trace, err = readTrace(from, head); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// listen waits for "cancel", or for the end of those who asked.
func listen(from *bufio.Reader, cancelled chan struct{}) {
	var once sync.Once
	for {
		line, err := from.ReadString('\n')
		if err != nil {
			os.Exit(1)
		}
		if line == "cancel\n" {
			once.Do(func() { close(cancelled) })
		}
	}
}

// tell speaks of the part done, ten times a second, until the program ends; if nobody wants to know, now and then all the same:
// a sign of life.
func tell(w *workload, done func() uint64, wanted bool) {
	began, pause := time.Now(), 5*time.Second
	if wanted {
		pause = 100 * time.Millisecond
	}
	for range time.Tick(pause) {
		part := time.Since(began).Seconds() / (w.Duration + w.Warmup)
		if w.Ops != 0 {
			part = float64(done()) / (float64(w.Size+w.Ops) + w.Warmup)
		}
		say("progress", min(part, 1))
	}
}

func runWorkload[K comparable](c *command, codec func() codec[K], input *bufio.Reader) {
	cancelled := make(chan struct{})
	go listen(input, cancelled)
	r, err := newRun(c, codec, cancelled)
	if err != nil {
		fail("not a workload: %v", err)
	}
	go tell(&c.Workload, r.progress, c.Progress)
	counters, err := r.drive()
	if err != nil {
		fail("%v", err)
	}
	say("result", r.result(counters))
}

// writeRequests writes what one thread would do next: kind, value, length of the key, key.
func writeRequests[K comparable](c *command, codec codec[K]) error {
	w := &c.Workload
	f, err := newFeed(w, &w.Groups[0], codec, place{c.Thread, w.threads(), c.Thread, w.threads()}, c.Seed)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	var line []byte
	for left := c.Count; left > 0; left -= block {
		n := min(left, block)
		f.draw(n)
		for i := range f.requests[:n] {
			r := &f.requests[i]
			line = binary.LittleEndian.AppendUint64(append(line[:0], r.op), uint64(r.value))
			if r.op != opLen && r.op != opIterate {
				line = codec.bytes(r.key, line)
			}
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// writeStream writes the first indices of a key stream over `size` keys.
func writeStream(c *command) error {
	s, err := newStream(c.Workload.Groups[0].Keys, c.Workload.Size, c.Seed)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(os.Stdout)
	for i := 0; i < c.Count; i++ {
		if err := binary.Write(out, binary.LittleEndian, s.next()); err != nil {
			return err
		}
	}
	return out.Flush()
}

func newNumbers() codec[int64] { return numbers{} }
func newWords() codec[string]  { return &words{} }

func obey(c *command, input *bufio.Reader) error {
	text := c.Workload.Key == "str"
	switch {
	case len(c.Workload.Groups) == 0:
		return io.ErrUnexpectedEOF
	case c.What == "run" && text:
		runWorkload(c, newWords, input)
	case c.What == "run":
		runWorkload(c, newNumbers, input)
	case c.What == "requests" && text:
		return writeRequests(c, newWords())
	case c.What == "requests":
		return writeRequests(c, newNumbers())
	case c.What == "stream":
		return writeStream(c)
	default:
		return fmt.Errorf("no command %q", c.What)
	}
	return nil
}

func main() {
	input := bufio.NewReaderSize(os.Stdin, 1<<16)
	c, err := readCommand(input)
	if err != nil {
		fail("not a command: %v", err)
	}
	if err := obey(c, input); err != nil {
		fail("%v", err)
	}
}
