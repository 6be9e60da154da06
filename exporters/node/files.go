package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// maxFile is the longest file a collector reads, in bytes. /proc/stat of a machine with 8192 CPUs fits.
const maxFile = 8 << 20

// sysPage is the most a file of /sys holds, in bytes, which the kernel gives in one read. Pages are larger on some machines,
// which does no harm here.
const sysPage = 4096

// errNoData is a collector's answer when the host does not have what it looks for.
var errNoData = errors.New("this host has none of it")

// read returns a file's text. Files of the kernel have no size, so it reads until the end.
func (h *host) read(path string) (string, error) { return h.readPages(path, 0) }

// readPages is read for a file that ends where a read gives less than page bytes; 0 is for others. It saves the read that
// finds no more.
func (h *host) readPages(path string, page int) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if h.buf == nil {
		h.buf = make([]byte, 64<<10)
	}
	n := 0
	for {
		m, err := f.Read(h.buf[n:])
		n += m
		if errors.Is(err, io.EOF) || err == nil && m < page {
			return string(h.buf[:n]), nil
		}
		if err != nil {
			return "", err
		}
		if n == len(h.buf) {
			if n >= maxFile {
				return "", fmt.Errorf("%s is longer than %d bytes", path, maxFile)
			}
			h.buf = append(h.buf, make([]byte, n)...)
		}
	}
}

// procFile returns the text of a file below /proc.
func (h *host) procFile(name string) (string, error) { return h.read(h.Procfs + "/" + name) }

// sysFile returns the text of a file below /sys without the line end.
func (h *host) sysFile(name string) (string, error) {
	s, err := h.readPages(h.Sysfs+"/"+name, sysPage)
	return strings.TrimSpace(s), err
}

// sysNumber returns the number in a file below /sys; ok is false if there is none.
func (h *host) sysNumber(name string) (v float64, ok bool) {
	s, err := h.sysFile(name)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 0, 64) // some are hexadecimal with 0x
	if err != nil {
		return 0, false
	}
	return float64(n), true
}

// sysText returns the text of a file below /sys, empty if it can't be read. What is not UTF-8 becomes U+FFFD.
func (h *host) sysText(name string) string {
	s, _ := h.sysFile(name)
	return strings.ToValidUTF8(s, "\uFFFD")
}

// sysFolders returns what is in a folder below /sys and begins with the prefix, without that and sorted; errNoData if
// there is no such folder.
func (h *host) sysFolders(dir, prefix string) ([]string, error) {
	names, err := list(h.Sysfs + "/" + dir)
	if err != nil {
		return nil, orNoData(err)
	}
	kept := names[:0]
	for _, n := range names {
		if rest, ok := strings.CutPrefix(n, prefix); ok && rest != "" && (prefix == "" || rest[0] >= '0' && rest[0] <= '9') {
			kept = append(kept, rest)
		}
	}
	return kept, nil
}

// orNoData is errNoData for a file or folder that is not there.
func orNoData(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errNoData
	}
	return err
}

// procNumber returns the number in a file below /proc that holds just one.
func (h *host) procNumber(name string) (float64, error) {
	s, err := h.procFile(name)
	if err != nil {
		return 0, err
	}
	v, err := number(strings.TrimSpace(s))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return v, nil
}

// list returns the names in a folder, sorted.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// number reads a decimal number.
func number(s string) (float64, error) {
	if n, err := strconv.ParseUint(s, 10, 63); err == nil {
		return float64(n), nil // as nearly all are
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return v, nil
}

// hexNumber reads a hexadecimal number without 0x.
func hexNumber(s string) (float64, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a hexadecimal number", s)
	}
	return float64(n), nil
}
