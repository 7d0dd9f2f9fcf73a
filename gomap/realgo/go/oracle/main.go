//go:build !goexperiment.swissmap && (amd64 || arm64)

// Oracle operates real classic maps as it is told and writes down what they did, in the lines of FORMAT.md.
//
// Commands come on standard input, one a line. `make` opens a session and answers at once with the header line, so that
// keys may be chosen by their hash; the operations that follow are all read, up to `end`, before the first is done and
// the first line is written, so that neither side ever waits for the other with a full pipe.
//
//	make KEY ELEM HINT SEED EVERY FULL   SEED: hash0, or - for the map's own; EVERY: digests with each n-th operation;
//	                                     FULL: the whole state with each operation from that number on, -1: with none
//	s K V | d K | g K | c | k | K        set, delete, get, clear, checkpoint, checkpoint with the whole state
//	i ID | n ID | a                      begin an iterator, step it, iterate over all
//	f FROM N                             set the integer keys FROM to FROM+N-1
//	end
//
// Operands are hex as in FORMAT.md, with = before it (an empty one is just =), or - for nil.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func fail(format string, about ...any) {
	fmt.Fprintf(os.Stderr, "oracle: "+format+"\n", about...)
	os.Exit(3)
}

func number(word string) int {
	n, err := strconv.Atoi(word)
	if err != nil {
		fail("%q is not a number", word)
	}
	return n
}

func operand(word string) []byte {
	if word == "-" {
		return nil
	}
	content, err := hex.DecodeString(strings.TrimPrefix(word, "="))
	if err != nil || word[0] != '=' {
		fail("%q is not an operand", word)
	}
	return content
}

func (n *session) do(words []string) {
	switch words[0] {
	case "s":
		n.set(operand(words[1]), operand(words[2]))
	case "d":
		n.del(operand(words[1]))
	case "g":
		n.get(operand(words[1]))
	case "c":
		n.clearAll()
	case "f":
		n.fill(number(words[1]), number(words[2]))
	case "k", "K":
		n.fullNow = words[0] == "K"
		n.check()
		n.fullNow = false
	case "i":
		n.iterInit(number(words[1]))
	case "n":
		n.iterNext(number(words[1]))
	case "a":
		n.iterAll()
	default:
		fail("unknown command %q", words[0])
	}
}

func open(words []string) *session {
	if len(words) != 7 || words[0] != "make" {
		fail("expected make, got %q", words)
	}
	var seed *uint32
	if words[4] != "-" {
		given := uint32(number(words[4]))
		seed = &given
	}
	n := newSession(words[1], words[2], number(words[3]), seed)
	if n == nil {
		fail("no map of %s to %s", words[1], words[2])
	}
	n.every, n.fullFrom = number(words[5]), number(words[6])
	return n
}

func main() {
	if !layoutFits() {
		fail("the maps of this Go are laid out in a way unknown here")
	}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	var n *session
	var todo [][]string
	for in.Scan() {
		words := strings.Fields(in.Text())
		switch {
		case n == nil:
			n = open(words)
		case words[0] != "end":
			todo = append(todo, words)
			continue
		default:
			for _, words := range todo {
				n.do(words)
				out.Write(n.out)
				n.out = n.out[:0]
			}
			n.end()
		}
		out.Write(n.out)
		n.out = n.out[:0]
		if out.Flush() != nil {
			os.Exit(1) // nobody listens any more
		}
		if words[0] == "end" {
			n, todo = nil, todo[:0]
		}
	}
}
