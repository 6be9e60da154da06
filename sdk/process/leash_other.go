//go:build !linux

package process

import "os"

// leash ends this process when the process host is gone.
func leash(host int) { watchInput(host, func() { os.Exit(1) }) }
