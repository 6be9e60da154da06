package fuel

import (
	"fmt"
	"strings"
)

// The smaller sections. Each method reads one, notes what the others need to know and leaves the new body behind.

const (
	kindFunction = iota
	kindTable
	kindMemory
	kindGlobal
	kindTag
)

var kinds = [...]string{"function", "table", "memory", "global"}

// maxArity bounds the parameters, and the results, of a function, as browsers do.
const maxArity = 1000

const typeI32 = 0x7f

// rewriteTypes counts the types and adds at the end that of tick, (i32) -> (i32), and those of blocks that have the results
// of functions with more than one.
func (m *module) rewriteTypes() error {
	r, n := m.section(secType)
	start := r.p
	added := []byte{0x60, 1, typeI32, 1, typeI32}
	total := n + 1
	for range n {
		switch form := r.byte(); {
		case form == 0x60:
		case form >= 0x4e && form <= 0x5f:
			r.failf("type form %#x: %s, which plugins may not use", form, collected)
		default:
			r.failf("type form %#x", form)
		}
		t := funcType{params: r.count()}
		r.take(t.params)
		results := r.take(r.count())
		if len(results) > maxArity || t.params > maxArity {
			r.failf("a function of %d parameters and %d results: at most %d are allowed", t.params, len(results), maxArity)
		}
		switch len(results) {
		case 0:
			t.block = []byte{blockEmpty}
		case 1:
			t.block = results
		default:
			t.block = appendS33(nil, total)
			added = append(appendU32(append(added, 0x60, 0), uint32(len(results))), results...)
			total++
		}
		m.types = append(m.types, t)
	}
	if err := r.end("types"); err != nil {
		return err
	}
	body := append(appendU32(nil, total), r.b[start:]...)
	m.sections[secType] = append(body, added...)
	return nil
}

func (m *module) rewriteImports(functionsOnly bool) error {
	r, n := m.section(secImport)
	start := r.p
	for range n {
		if from := r.text(); from == ImportModule {
			r.failf("an import from %s, which is the host's", ImportModule)
		}
		r.text()
		kind := r.byte()
		if functionsOnly && kind != kindFunction && kind < kindTag {
			r.failf("it imports a %s, plugins have their own", kinds[kind])
		}
		switch kind {
		case kindFunction:
			m.functions = append(m.functions, r.below(uint32(len(m.types)), "type"))
			m.imported++
		case kindTable:
			r.byte()
			readLimits(r)
		case kindMemory:
			readLimits(r)
		case kindGlobal:
			r.take(2)
			m.importedGlobals++
		case kindTag:
			r.failf("%s, which plugins may not use", exceptions)
		default:
			r.failf("import of kind %d", kind)
		}
	}
	if err := r.end("imports"); err != nil {
		return err
	}
	body := append(appendU32(nil, n+1), r.b[start:]...)
	body = appendText(appendText(body, ImportModule), ImportName)
	m.sections[secImport] = appendU32(append(body, kindFunction), uint32(len(m.types)))
	return nil
}

// readLimits reads the limits of a table or memory; hasMax is false if there is no maximum.
func readLimits(r *reader) (least, most uint32, hasMax bool) {
	switch flags := r.byte(); flags {
	case 0:
		return r.u32(), 0, false
	case 1:
		return r.u32(), r.u32(), true
	case 2, 3:
		r.failf("memory that is shared by %s, which plugins may not use", threads)
	case 4, 5, 6, 7:
		r.failf("a memory or table with addresses of 64 bits: plugins have 32")
	default:
		r.failf("limits of kind %d", flags)
	}
	return 0, 0, false
}

// checkMemory refuses memories that no limit of the host's would hold for.
func (m *module) checkMemory() error {
	r, n := m.section(secMemory)
	if n > 1 {
		r.failf("%d memories, one is allowed", n)
		n = 0
	}
	for range n {
		readLimits(r)
	}
	return r.end("memory")
}

func (m *module) readFunctions() error {
	r, n := m.section(secFunction)
	for range n {
		m.functions = append(m.functions, r.below(uint32(len(m.types)), "type"))
	}
	return r.end("functions")
}

// rewriteTables gives each table an equal share of limit as its maximum: wazero's limit of memory does not cover tables.
func (m *module) rewriteTables(limit uint32) error {
	r, n := m.section(secTable)
	body := appendU32(nil, n)
	for i := range n {
		kind := r.byte()
		least, most, hasMax := readLimits(r)
		if share := limit / n; !hasMax || most > share {
			most = share
		}
		if least > most {
			r.failf("table %d has at least %d elements, %d are allowed", i, least, most)
		}
		body = appendU32(appendU32(append(body, kind, 1), least), most)
	}
	if n > 0 {
		m.sections[secTable] = body
	}
	return r.end("tables")
}

// rewriteGlobals adds the counter and the depth at the end, both mutable.
func (m *module) rewriteGlobals() error {
	r, n := m.section(secGlobal)
	m.globals = m.importedGlobals + n
	body := appendU32(nil, n+2)
	for range n {
		body = append(body, r.take(2)...)
		body = m.constant(r, body)
	}
	body = append(body, typeI32, 1, opI32Const, 0, opEnd)
	body = appendS33(append(body, typeI32, 1, opI32Const), maxDepth)
	m.sections[secGlobal] = append(body, opEnd)
	return r.end("globals")
}

// constant copies a constant expression with its function indices shifted.
func (m *module) constant(r *reader, out []byte) []byte {
	for r.err == nil {
		op := r.byte()
		out = append(out, op)
		at := r.p
		switch op {
		case opEnd:
			return out
		case opI32Const, opI64Const:
			r.skipNumber()
		case opF32Const:
			r.take(4)
		case opF64Const:
			r.take(8)
		case opGlobalGet:
			r.below(m.globals, "global")
		case opRefNull:
			r.byte()
		case opRefFunc:
			out = appendU32(out, m.shift(r.below(uint32(len(m.functions)), "function")))
			continue
		case opVector:
			if sub := r.u32(); sub != 12 { // v128.const
				r.failf("vector instruction %d in a constant", sub)
			}
			r.take(16)
		default:
			r.failf("instruction %#x in a constant", op)
		}
		if r.err == nil {
			out = append(out, r.b[at:r.p]...)
		}
	}
	return out
}

func (m *module) rewriteExports() error {
	r, n := m.section(secExport)
	body := appendU32(nil, n+1)
	for range n {
		name := r.text()
		if name == ExportName {
			r.failf("an export %s, which is the host's", ExportName)
		}
		kind := r.byte()
		index := r.u32()
		switch kind {
		case kindFunction:
			index = m.shift(index)
		case kindGlobal:
			if index >= m.globals && r.err == nil {
				r.failf("export of global %d of %d", index, m.globals)
			}
		}
		body = appendU32(append(appendText(body, name), kind), index)
	}
	body = appendU32(append(appendText(body, ExportName), kindGlobal), m.counter())
	m.sections[secExport] = body
	return r.end("exports")
}

func (m *module) rewriteStart() error {
	if m.sections[secStart] == nil {
		return nil
	}
	r := &reader{b: m.sections[secStart]}
	m.sections[secStart] = appendU32(nil, m.shift(r.below(uint32(len(m.functions)), "function")))
	return r.end("start")
}

func (m *module) rewriteElements(limit uint32) error {
	r, n := m.section(secElement)
	total := uint64(0)
	if n == 0 {
		return r.end("elements")
	}
	body := appendU32(nil, n)
	for range n {
		// Bit 0: not active. Bit 1: with a table index, or declared only. Bit 2: expressions in place of indices.
		flags := r.u32()
		if flags > 7 {
			r.failf("elements of kind %d", flags)
		}
		body = appendU32(body, flags)
		if flags&1 == 0 {
			if flags&2 != 0 {
				body = appendU32(body, r.u32())
			}
			body = m.constant(r, body)
		}
		if flags&3 != 0 {
			body = append(body, r.byte()) // kind or type of the elements
		}
		items := r.count()
		if total += uint64(items); total > uint64(limit) { // each instance has its own
			r.failf("more than %d", limit)
			items = 0
		}
		body = appendU32(body, items)
		for range items {
			if r.err != nil {
				break
			}
			if flags&4 != 0 {
				body = m.constant(r, body)
			} else {
				body = appendU32(body, m.shift(r.below(uint32(len(m.functions)), "function")))
			}
		}
	}
	m.sections[secElement] = body
	return r.end("elements")
}

// checkData sees that no offset of a data segment reads the counter. The section stays as it is.
func (m *module) checkData() error {
	r, n := m.section(secData)
	var scratch []byte
	for range n {
		switch flags := r.u32(); flags {
		case 0:
			scratch = m.constant(r, scratch[:0])
		case 1:
		case 2:
			r.u32()
			scratch = m.constant(r, scratch[:0])
		default:
			r.failf("data of kind %d", flags)
		}
		r.take(r.u32())
	}
	return r.end("data")
}

func (m *module) rewriteCode() error {
	r, n := m.section(secCode)
	if own := uint32(len(m.functions)) - m.imported; n != own {
		return fmt.Errorf("code: %d bodies for %d functions", n, own)
	}
	if n == 0 {
		return r.end("code")
	}
	out := appendU32(make([]byte, 0, len(r.b)+len(r.b)/8), n)
	f := function{m: m}
	locals, work := uint64(0), uint64(0)
	for i := range n {
		body := r.take(r.u32())
		if r.err != nil {
			break
		}
		code, err := f.rewrite(body, m.types[m.functions[m.imported+i]])
		if err != nil {
			return fmt.Errorf("function %d: %w", m.imported+i, err)
		}
		locals, work = locals+uint64(f.locals), work+f.work()
		if locals > maxAllLocals || work > maxAllWork {
			return fmt.Errorf("code: its functions together would take too long to compile, or too much memory: %d locals and %d units of work up to function %d, %d and %d are allowed",
				locals, work, m.imported+i, maxAllLocals, maxAllWork)
		}
		out = append(appendU32(out, uint32(len(code))), code...)
	}
	m.sections[secCode] = out
	return r.end("code")
}

// rewriteNames keeps the module's name and shifts the functions'. Names of locals are dropped, and so is a section that
// can't be read: names are for people, a module is not refused for them.
func (m *module) rewriteNames() {
	names, err := m.shiftNames()
	if err != nil {
		names = nil
	}
	m.names = names
}

// maxName bounds the names of functions, in bytes: a trap tells of thirty.
const maxName = 256

func shortened(name string) string {
	if len(name) <= maxName {
		return name
	}
	return strings.ToValidUTF8(name[:maxName], "")
}

func (m *module) shiftNames() ([]byte, error) {
	var out []byte
	r := &reader{b: m.names}
	for !r.done() {
		id := r.byte()
		body := r.take(r.u32())
		switch id {
		case 0:
			out = append(appendU32(append(out, id), uint32(len(body))), body...)
		case 1:
			sub := &reader{b: body}
			n := sub.count()
			shifted := appendU32(nil, n)
			for range n {
				shifted = appendU32(shifted, m.shift(sub.u32()))
				shifted = appendText(shifted, shortened(sub.text()))
			}
			if sub.err != nil {
				return nil, sub.err
			}
			out = append(appendU32(append(out, id), uint32(len(shifted))), shifted...)
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return out, nil
}
