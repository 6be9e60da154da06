package process

import (
	"bytes"
	"io"
	"strings"
)

// handshake reads a child's standard output: the first line is for go-plugin, the rest goes to the log.
type handshake struct {
	from io.ReadCloser
	rest io.Writer

	line []byte // the first one, without its end; not changed after it is whole
	read int    // bytes of it that were handed on
	full bool
}

// maxHello bounds the first line: it holds a certificate.
const maxHello = 16 << 10

// Read hands on the first line.
func (h *handshake) Read(p []byte) (int, error) {
	buf := make([]byte, 4096)
	for !h.full {
		n, err := h.from.Read(buf)
		line, rest, whole := bytes.Cut(buf[:n], []byte("\n"))
		h.line = append(h.line, line...)
		if len(h.line) > maxHello {
			h.line, whole = h.line[:maxHello], true
		}
		h.full = whole
		_, _ = h.rest.Write(rest)
		if err != nil {
			h.full = true
		}
	}
	if text := append(h.line[:len(h.line):len(h.line)], '\n'); h.read < len(text) {
		n := copy(p, text[h.read:])
		h.read += n
		return n, nil
	}
	for {
		n, err := h.from.Read(buf)
		_, _ = h.rest.Write(buf[:n])
		if err != nil {
			return 0, io.EOF
		}
	}
}

// Close closes the stream.
func (h *handshake) Close() error { return h.from.Close() }

// secure tells whether the first line has a certificate. go-plugin must have it.
func (h *handshake) secure() bool {
	parts := strings.Split(string(h.line), "|")
	return len(parts) > 5 && len(parts[5]) > 50
}
