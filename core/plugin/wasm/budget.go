package wasm

import (
	"errors"
	"fmt"
	"sync"

	"github.com/tetratelabs/wazero/experimental"
	"golang.org/x/sys/unix"
)

// budget counts the linear memory of all instances. A guest that grows its memory beyond the budget is told that there
// is no more, after the idle instances have been given up.
type budget struct {
	limit   int64
	reclaim func() bool // gives up one idle instance; false if there is none

	mu struct {
		sync.Mutex
		used int64
	}
}

// take reports whether n more bytes may be used. It is called while a guest runs.
func (b *budget) take(n int64) bool {
	for {
		b.mu.Lock()
		ok := b.mu.used+n <= b.limit
		if ok {
			b.mu.used += n
		}
		b.mu.Unlock()
		if ok || n > b.limit || !b.reclaim() {
			return ok
		}
	}
}

func (b *budget) give(n int64) {
	b.mu.Lock()
	b.mu.used -= n
	b.mu.Unlock()
}

func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.used
}

// linear is the memory of one instance. The whole range that it may grow to is reserved as addresses, so that it never
// moves; bytes are taken as it grows and go back to the system with the instance, past Go's collector.
type linear struct {
	b        *budget
	reserved []byte
	size     uint64
	refused  bool // a growth
}

// memory reserves the memory of an instance and takes its first bytes: wazero has no way to say that there are none.
func (b *budget) memory(least, most uint64) (*linear, error) {
	m := &linear{b: b}
	if most == 0 {
		return m, nil
	}
	var err error
	if m.reserved, err = unix.Mmap(-1, 0, int(most), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
		return nil, fmt.Errorf("reserving %d MiB of addresses: %w", most>>20, err)
	}
	if least > 0 && !m.grow(least) {
		m.Free()
		return nil, fmt.Errorf("%w: it begins with %d MiB, all plugins together have %d MiB: raise memory of [plugins]", errNoMemory, least>>20, b.limit>>20)
	}
	return m, nil
}

var errNoMemory = errors.New("no memory left for plugins")

// Allocate implements wazero's MemoryAllocator: an instance has one memory, this one.
func (m *linear) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate implements wazero's LinearMemory: nil tells the guest that there is no more.
func (m *linear) Reallocate(size uint64) []byte {
	if size > m.size && !m.grow(size) {
		m.refused = true
		return nil
	}
	return m.reserved[:size]
}

func (m *linear) grow(size uint64) bool {
	more := int64(size - m.size)
	if size > uint64(len(m.reserved)) || !m.b.take(more) {
		return false
	}
	if err := unix.Mprotect(m.reserved[m.size:size], unix.PROT_READ|unix.PROT_WRITE); err != nil {
		m.b.give(more)
		return false
	}
	m.size = size
	return true
}

// Free implements wazero's LinearMemory.
func (m *linear) Free() {
	if m.reserved != nil {
		_ = unix.Munmap(m.reserved) // of what Mmap returned it can't fail
		m.reserved = nil
	}
	m.b.give(int64(m.size))
	m.size = 0
}
