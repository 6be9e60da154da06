package main

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// terminalSize returns the size of the terminal w writes to, or that of a usual one if w is none.
func terminalSize(w io.Writer) (columns, lines int, terminal bool) {
	if f, ok := w.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil {
			if size.Col == 0 || size.Row == 0 { // a terminal that does not know
				return 80, 24, true
			}
			return int(size.Col), int(size.Row), true
		}
	}
	return 80, 24, false
}

// wantsColors tells whether the terminal shows colors and its user wants them (https://no-color.org).
func wantsColors() bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
