// The controls are small experiments on real Go's maps, scheduler and collector, one a file. Each takes what a claim says
// of Go and lets Go do it: two maps whose headers share a line, a goroutine that wants to run beside a hot loop, reads
// beside collections, and so on.
//
// Input: a line of JSON, {"control": name, "settings": {...}}. Output: a line of JSON, {"result": ...} or {"error": "..."}.
// One control a process, for several of them set the number of Ps and the collector's pace; what is set by the environment
// (GODEBUG) is the caller's.
//
// Every control tells what it took as raw figures; whether that confirms or refutes anything is not decided here.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

type control func(settings []byte) (any, error)

var controls = map[string]control{
	"neighbours": taking(neighbours),
	"layout":     taking(layout),
	"yields":     taking(yields),
	"reads":      taking(reads),
	"inserts":    taking(inserts),
	"assigns":    taking(assigns),
	"passes":     taking(passes),
	"metrics":    taking(listed),
	"profile":    taking(profile),
	"phases":     taking(phases),
	"steals":     taking(steals),
	"steps":      taking(steps),
}

// taking makes a control of a function by reading its settings; one that it does not know is an error.
func taking[S any](run func(S) (any, error)) control {
	return func(given []byte) (any, error) {
		var settings S
		from := json.NewDecoder(bytes.NewReader(given))
		from.DisallowUnknownFields()
		if err := from.Decode(&settings); err != nil {
			return nil, err
		}
		return run(settings)
	}
}

var start = time.Now()

// now is the time in nanoseconds since the program began.
func now() int64 { return int64(time.Since(start)) }

func ms(n int) int64 { return int64(n) * int64(time.Millisecond) }

var sum int // is stored to, so that no read can be left out

func answer() (any, error) {
	var request struct {
		Control  string
		Settings json.RawMessage
	}
	if err := json.NewDecoder(os.Stdin).Decode(&request); err != nil {
		return nil, err
	}
	run, known := controls[request.Control]
	if !known {
		return nil, fmt.Errorf("no control is called %q", request.Control)
	}
	return run(request.Settings)
}

func main() {
	said := map[string]any{}
	if result, err := answer(); err != nil {
		said["error"] = err.Error()
	} else {
		said["result"] = result
	}
	if json.NewEncoder(os.Stdout).Encode(said) != nil {
		os.Exit(1) // nobody listens
	}
}
