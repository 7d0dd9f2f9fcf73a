package main

import (
	"runtime"
	"runtime/metrics"
)

// listed is every metric that this Go has.
func listed(struct{}) (any, error) {
	names := []string{}
	for _, m := range metrics.All() {
		names = append(names, m.Name)
	}
	return map[string]any{"names": names, "version": runtime.Version()}, nil
}
