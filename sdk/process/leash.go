package process

import (
	"io"
	"os"
)

// RuntimeEnv names the folder that the host made for this process alone. What the plugin starts inherits it, which is
// how the host finds and ends what is left of a plugin.
const RuntimeEnv = "HEARTH_RUNTIME"

// A host that is killed has no time to end its plugins, so the kernel and the plugin itself see to it: nothing of a
// plugin may outlive its host. The host asks the kernel to kill the plugin's process when it dies; that would leave the
// processes which the plugin has started. So this side asks for a signal that can be handled, and ends them
// first. The thread whose parent counts is the main one, and only init is sure to run on it.
func init() {
	if Started() {
		leash(os.Getppid())
	}
}

// watchInput waits for the end of standard input, of which the host holds the other end and writes nothing. A host
// that lives has closed it to say that it stops the plugin, and ends it itself.
func watchInput(host int, end func()) {
	if fi, err := os.Stdin.Stat(); err != nil || fi.Mode()&os.ModeNamedPipe == 0 {
		return
	}
	go func() {
		io.Copy(io.Discard, os.Stdin)
		if os.Getppid() != host {
			end()
		}
	}()
}
