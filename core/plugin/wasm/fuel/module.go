package fuel

import (
	"bytes"
	"errors"
	"slices"
	"unicode/utf8"
)

// Section ids of the binary format.
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
	secTag // of a proposal
)

// order is the order in which sections must come.
var order = [...]byte{secType, secImport, secFunction, secTable, secMemory, secGlobal, secExport, secStart, secElement, secDataCount, secCode, secData}

var (
	header    = []byte("\x00asm\x01\x00\x00\x00")
	component = []byte("\x00asm\x0d\x00\x01\x00")
)

// module is a module cut into its sections.
type module struct {
	sections [secDataCount + 1][]byte // bodies by id; nil is absent
	names    []byte                   // body of the custom section "name", after its name; nil is absent

	types           []funcType
	functions       []uint32 // type of each function, imported ones first
	imported        uint32   // functions among them
	globals         uint32   // imported ones included
	importedGlobals uint32
}

// funcType is what the rewriter needs of a function's type.
type funcType struct {
	params uint32
	block  []byte // the type of a block that has its results
}

func split(b []byte) (*module, error) {
	if bytes.HasPrefix(b, component) {
		return nil, errors.New("it is a component, plugins are modules: build it for wasip1")
	}
	if !bytes.HasPrefix(b, header) {
		return nil, errors.New("it is not a module of WebAssembly's version 1")
	}
	m := &module{}
	r := reader{b: b, p: len(header)}
	last := -1
	for !r.done() {
		id := r.byte()
		body := r.take(r.u32())
		if r.err != nil {
			break
		}
		if id == secCustom {
			c := reader{b: body}
			name := c.text()
			switch {
			case c.err != nil:
				r.fail(c.err)
			case !utf8.ValidString(name):
				r.failf("the name of a custom section is not UTF-8")
			case name == "name" && m.names == nil:
				m.names = body[c.p:]
			}
			continue // other custom sections, debugging information mostly, are of no use and point to moved code
		}
		at := slices.Index(order[:], id)
		if id == secTag {
			r.failf("%s, which plugins may not use", exceptions)
			break
		}
		if at < 0 {
			r.failf("section %d is not known here", id)
			break
		}
		if at <= last {
			r.failf("section %d is out of order", id)
			break
		}
		last = at
		m.sections[id] = body
	}
	return m, r.end("sections")
}

// join writes the sections; size is a guess at how much that is.
func (m *module) join(size int) []byte {
	out := append(make([]byte, 0, size+size/8+256), header...)
	for _, id := range order {
		if body := m.sections[id]; body != nil {
			out = append(appendU32(append(out, id), uint32(len(body))), body...)
		}
	}
	if m.names != nil {
		body := append(appendText(nil, "name"), m.names...)
		out = append(appendU32(append(out, secCustom), uint32(len(body))), body...)
	}
	return out
}

// maxItems bounds the items of a section: wazero has some hundred bytes for each. The Go programs here have 7,000 functions.
const maxItems = 100_000

// section returns a reader of a section's body and the number of its items; an absent one has none.
func (m *module) section(id byte) (*reader, uint32) {
	r := &reader{b: m.sections[id]}
	if r.b == nil {
		return r, 0
	}
	n := r.count()
	if n > maxItems {
		r.failf("%d items, at most %d are allowed", n, maxItems)
		n = 0
	}
	return r, n
}

// tick is the index of the imported function: the last import.
func (m *module) tick() uint32 { return m.imported }

// counter and depth are the indices of the hidden globals, the last ones.
func (m *module) counter() uint32 { return m.globals }
func (m *module) depth() uint32   { return m.globals + 1 }

// shift returns where a function index of the original is now.
func (m *module) shift(f uint32) uint32 {
	if f >= m.imported {
		return f + 1
	}
	return f
}

// rewrite changes the sections one after the other.
func (m *module) rewrite(o Options) error {
	for _, step := range []func() error{
		m.rewriteTypes, func() error { return m.rewriteImports(o.FunctionsOnly) }, m.readFunctions, func() error { return m.rewriteTables(o.MaxTable) }, m.checkMemory, m.rewriteGlobals,
		m.rewriteExports, m.rewriteStart, func() error { return m.rewriteElements(o.MaxTable) }, m.checkData, m.rewriteCode,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	m.rewriteNames()
	return nil
}
