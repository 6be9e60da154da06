// Package e2e tests the built binary, bin/hearth, the way users meet it: real configuration files, real exporters
// beside it, real load on the machine, kill -9, and a real browser. `make e2e` builds what it needs and runs it.
// Servers listen on loopback ports that are free at the time.
package e2e
