package fuel

import "fmt"

// Opcodes the rewriter writes or treats apart.
const (
	opLoop         = 0x03
	opIf           = 0x04
	opElse         = 0x05
	opBlock        = 0x02
	opEnd          = 0x0b
	opBr           = 0x0c
	opReturn       = 0x0f
	opDrop         = 0x1a
	opCall         = 0x10
	opCallIndirect = 0x11
	opLocalGet     = 0x20
	opLocalSet     = 0x21
	opLocalTee     = 0x22
	opGlobalGet    = 0x23
	opGlobalSet    = 0x24
	opI32Const     = 0x41
	opI64Const     = 0x42
	opF32Const     = 0x43
	opF64Const     = 0x44
	opI32LtS       = 0x48
	opI32Add       = 0x6a
	opI32Sub       = 0x6b
	opI32ShrU      = 0x76
	opRefNull      = 0xd0
	opRefFunc      = 0xd2
	opBulk         = 0xfc
	opVector       = 0xfd
	blockEmpty     = 0x40
)

// What compiling a function takes grows with the square of its branches and with its locals, and its memory with its
// length: without limits a module of a few hundred kilobytes could keep the compiler busy for hours. Compilers' largest
// functions have some 50 kB and 2,000 branches.
const (
	maxBody      = 256 << 10     // bytes of a function
	maxLocals    = 10_000        // of a function
	maxWork      = 500_000_000   // of a function, see function.work; some seconds
	maxAllLocals = 2_000_000     // of all functions: wazero has a byte for each, whether it is used or not
	maxAllWork   = 2_000_000_000 // of all functions; a module of 11 MB from Go has 165 million
)

const (
	perUnit    = 1024      // instructions of a region beyond which it costs more than one unit
	smallLeaf  = 16        // instructions of a function that calls nothing, up to which its callers pay for it
	callCost   = 32        // instructions that a call counts for, since it may be of such a function
	slowCost   = 8         // that a division or square root counts for
	accessCost = 4         // that a load or store counts for, since it may miss the caches
	bulkShift  = 6         // log2 of the bytes or elements a bulk operation moves for a unit
	maxDepth   = 512 << 10 // units of stack that calls in each other may take; see weight
	tooDeep    = -1 << 31  // what tick is given when they take more
	maxCost    = 1<<20 - 1
	costBytes  = 3 // in which the cost is written, so that it can be filled in later
)

// function rewrites function bodies, one after the other.
type function struct {
	m    *module
	r    reader
	out  []byte // the body up to last, with what was inserted
	last int    // of r.b

	params, locals uint32
	regions        []region
	open           []int // region of each open block, innermost last
	calls, bulk    bool
	branches       uint64 // and blocks, and targets of branches
	loops          uint64
	whole          []byte
}

// region is code that is paid for at one place: a function's entry or a loop's header. Code of an inner loop is not part
// of it.
//
// A pass costs one unit, more if the region is large. Its size says little of what a pass runs: compilers of Go and the like
// put a whole function into one loop and jump about in it. It does say how much one pass can run at most, and so how long
// a guest may keep to itself.
type region struct {
	at    int // where in out its cost is to be filled in
	cost  int // instructions
	bulks int // bulk operations
}

// rewrite returns the new body; it is valid until the next call.
func (f *function) rewrite(body []byte, t funcType) ([]byte, error) {
	f.r = reader{b: body}
	f.params, f.calls, f.bulk, f.branches, f.loops = t.params, false, false, 0, 0
	if len(body) > maxBody {
		return nil, fmt.Errorf("it has %d bytes, at most %d are allowed", len(body), maxBody)
	}
	r := &f.r
	groups := r.count()
	afterCount := r.p
	total := uint64(t.params)
	for range groups {
		total += uint64(r.u32())
		r.byte()
		if total > maxLocals {
			r.failf("more than %d locals", maxLocals)
			break
		}
	}
	f.locals = uint32(total)
	groupBytes := body[afterCount:max(r.p, afterCount)]
	f.out, f.last = f.out[:0], r.p
	f.regions = append(f.regions[:0], region{})
	f.open = append(f.open[:0], 0)
	for len(f.open) > 0 && r.err == nil {
		f.instruction()
	}
	if err := r.end("code"); err != nil {
		return nil, err
	}
	if f.work() > maxWork {
		return nil, fmt.Errorf("its %d branches and %d locals would take too long to compile", f.branches, f.locals)
	}
	f.flush(len(body))
	for _, g := range f.regions[1:] {
		putCost(f.out[g.at:], g.cost)
	}

	// The body again with one more local, and the entry's payment before the code.
	w := appendU32(f.whole[:0], groups+1)
	w = append(w, groupBytes...)
	w = append(w, 1, typeI32)
	if f.calls || f.bulk || f.regions[0].cost > smallLeaf {
		var at int
		w, at = f.appendPayment(w)
		putCost(w[at:], f.regions[0].cost)
	}
	if !f.calls {
		f.whole = append(w, f.out...)
		return f.whole, nil
	}
	// The body in a block, so that all ways out of it lead past the payment's return of what it took of the stack.
	weight := f.weight()
	w = f.appendEnter(w, weight)
	w = append(append(w, opBlock), t.block...)
	w = append(w, f.out...)
	f.whole = append(f.appendLeave(w, weight), opEnd)
	return f.whole, nil
}

// weight is what a call of the function takes of the stack, in units of some 64 bytes: its locals, and what it may have to
// put aside, which grows with its length. wazero's own limit is 400 MB for each call, which is not counted anywhere.
func (f *function) weight() uint32 {
	return 1 + f.locals/8 + uint32(len(f.r.b))/64
}

// appendEnter appends
//
//	scratch = depth - WEIGHT; depth = scratch
//	if scratch < 0 { tick(tooDeep) }
func (f *function) appendEnter(b []byte, weight uint32) []byte {
	b = appendU32(append(b, opGlobalGet), f.m.depth())
	b = append(appendS33(append(b, opI32Const), weight), opI32Sub)
	b = appendU32(append(b, opLocalTee), f.scratch())
	b = appendU32(append(b, opGlobalSet), f.m.depth())
	b = appendU32(append(b, opLocalGet), f.scratch())
	b = append(b, opI32Const, 0, opI32LtS, opIf, blockEmpty)
	b = append(b, opI32Const, 0x80, 0x80, 0x80, 0x80, 0x78) // tooDeep
	b = appendU32(append(b, opCall), f.m.tick())
	return append(b, opDrop, opEnd)
}

// appendLeave gives back what appendEnter took.
func (f *function) appendLeave(b []byte, weight uint32) []byte {
	b = appendU32(append(b, opGlobalGet), f.m.depth())
	b = append(appendS33(append(b, opI32Const), weight), opI32Add)
	return appendU32(append(b, opGlobalSet), f.m.depth())
}

// work is a measure of what compiling the function takes, found by measuring wazero's compiler.
func (f *function) work() uint64 {
	n := f.branches + 3*f.loops
	return n * n * uint64(1+f.locals/64)
}

// flush copies the original up to position to.
func (f *function) flush(to int) {
	f.out = append(f.out, f.r.b[f.last:to]...)
	f.last = to
}

// replaceIndex writes a new index in place of the one that was just read, which began at from.
func (f *function) replaceIndex(from int, index uint32) {
	f.flush(from)
	f.out = appendU32(f.out, index)
	f.last = f.r.p
}

// scratch is the added local.
func (f *function) scratch() uint32 { return f.locals }

// appendPayment appends
//
//	scratch = counter - COST; counter = scratch
//	if scratch < 0 { counter = tick(scratch) }
//
// and returns where COST is to be put.
func (f *function) appendPayment(b []byte) (_ []byte, at int) {
	b = appendU32(append(b, opGlobalGet), f.m.counter())
	b = append(b, opI32Const)
	at = len(b)
	b = append(b, make([]byte, costBytes)...)
	b = append(b, opI32Sub)
	return f.appendSettle(b), at
}

// appendSettle stores the i32 on the stack as the counter and ticks if it is negative.
func (f *function) appendSettle(b []byte) []byte {
	b = appendU32(append(b, opLocalTee), f.scratch())
	b = appendU32(append(b, opGlobalSet), f.m.counter())
	b = appendU32(append(b, opLocalGet), f.scratch())
	b = append(b, opI32Const, 0, opI32LtS, opIf, blockEmpty)
	b = appendU32(append(b, opLocalGet), f.scratch())
	b = appendU32(append(b, opCall), f.m.tick())
	b = appendU32(append(b, opGlobalSet), f.m.counter())
	return append(b, opEnd)
}

// payBulk pays for the bulk operation that comes next; the number of bytes or elements is on top of the stack and stays
// there. The first of a region leaves the tick to the next payment, which bounds what can go unchecked to one of them.
func (f *function) payBulk() {
	g := &f.regions[f.open[len(f.open)-1]]
	g.bulks++
	b := appendU32(append(f.out, opLocalTee), f.scratch())
	b = appendU32(append(b, opGlobalGet), f.m.counter())
	b = appendU32(append(b, opLocalGet), f.scratch())
	b = append(b, opI32Const, bulkShift, opI32ShrU, opI32Sub)
	if g.bulks == 1 {
		f.out = appendU32(append(b, opGlobalSet), f.m.counter())
		return
	}
	f.out = f.appendSettle(b)
}

// putCost fills in the number of units for so many instructions, as a signed LEB128 number of a fixed length.
func putCost(b []byte, instructions int) {
	v := min(1+instructions/perUnit, maxCost)
	b[0], b[1], b[2] = byte(v&0x7f)|0x80, byte(v>>7&0x7f)|0x80, byte(v>>14)
}
