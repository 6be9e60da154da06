package fuel

// instruction reads one instruction, checks its indices, shifts functions and pays at loops and bulk operations. What it
// does not know it refuses: an instruction whose length is not known can't be stepped over.
func (f *function) instruction() {
	r := &f.r
	at := r.p
	op := r.byte()
	here := &f.regions[f.open[len(f.open)-1]]
	here.cost += cost(op)
	switch {
	case op == opBlock || op == opIf:
		f.branches++
		f.blockType()
		f.open = append(f.open, f.open[len(f.open)-1])
	case op == opLoop:
		f.loops++
		f.blockType()
		if r.err != nil {
			return
		}
		f.flush(r.p)
		out, cost := f.appendPayment(f.out)
		f.out = out
		f.open = append(f.open, len(f.regions))
		f.regions = append(f.regions, region{at: cost})
	case op == opReturn: // becomes a branch to the end of the block around the body
		f.flush(at)
		f.out = appendU32(append(f.out, opBr), uint32(len(f.open)-1))
		f.last = r.p
	case op == opEnd:
		f.open = f.open[:len(f.open)-1]
	case op == opCall:
		f.calls = true
		f.replaceIndex(at+1, f.m.shift(r.below(uint32(len(f.m.functions)), "function")))
	case op == opRefFunc:
		f.replaceIndex(at+1, f.m.shift(r.below(uint32(len(f.m.functions)), "function")))
	case op == opCallIndirect:
		f.calls = true
		r.below(uint32(len(f.m.types)), "type")
		r.u32()
	case op == opLocalGet || op == opLocalSet || op == opLocalTee:
		r.below(f.locals, "local")
	case op == opGlobalGet || op == opGlobalSet: // the counter is out of reach
		r.below(f.m.globals, "global")
	case op == opBr || op == 0x0d: // br, br_if
		f.branches++
		r.u32()
	case op == 0x0e: // br_table
		n := r.count()
		f.branches += uint64(n)
		for range n {
			r.u32()
		}
		r.u32() // the default
	case op == 0x25 || op == 0x26: // table.get, table.set
		r.u32()
	case op == 0x1c: // select with types
		r.take(r.count())
	case op >= 0x28 && op <= 0x3e: // loads and stores
		r.u32()
		r.u32()
	case op == 0x3f || op == 0x40 || op == opRefNull: // memory.size, memory.grow
		r.byte()
	case op == opI32Const || op == opI64Const:
		r.skipNumber()
	case op == opF32Const:
		r.take(4)
	case op == opF64Const:
		r.take(8)
	case op <= 0x01 || op == opElse || op == opDrop || op == 0x1b || (op >= 0x45 && op <= 0xc4) || op == 0xd1:
		// unreachable, nop, else, drop, select, numeric, ref.is_null: nothing follows
	case op == opBulk:
		f.bulkInstruction(at)
	case op == opVector:
		f.vectorInstruction()
	default:
		r.failf("instruction %#x is not known here%s", op, proposal(op))
	}
}

// What WebAssembly has learnt after version 2.0, as errors name it.
const (
	exceptions = "exceptions"
	threads    = "threads"
	collected  = "structures and arrays that are collected"
)

// proposal says which of those an opcode belongs to.
func proposal(op byte) string {
	what := ""
	switch {
	case op >= 0x06 && op <= 0x0a || op == 0x18 || op == 0x19 || op == 0x1f:
		what = exceptions
	case op == 0x12 || op == 0x13:
		what = "tail calls"
	case op == 0x14 || op == 0x15 || op >= 0xd3 && op <= 0xd6:
		what = "typed references"
	case op == 0xfb:
		what = collected
	case op == 0xfe:
		what = threads
	default:
		return ""
	}
	return ": it is of the proposal for " + what + ", which plugins may not use"
}

// cost is how many plain instructions one counts for: about how long it takes at worst.
func cost(op byte) int {
	switch {
	case op == opCall || op == opCallIndirect:
		return callCost
	case op >= 0x28 && op <= 0x3e: // loads and stores
		return accessCost
	case op >= 0x6d && op <= 0x70, op >= 0x7f && op <= 0x82: // integer division and remainder
		return slowCost
	case op == 0x91 || op == 0x95 || op == 0x9f || op == 0xa3: // square root and division of floating point
		return slowCost
	case op == opVector:
		return slowCost
	}
	return 1
}

// blockType reads the type of a block: none, one value, or the index of a function type.
func (f *function) blockType() {
	r := &f.r
	if r.done() {
		r.byte()
		return
	}
	switch r.b[r.p] {
	case blockEmpty, 0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f:
		r.p++
		return
	}
	// A positive signed number of 33 bits. As an unsigned one it has the same digits, and bit 6 of the last is its sign.
	from := r.p
	r.below(uint32(len(f.m.types)), "type")
	if r.err == nil && r.b[r.p-1]&0x40 != 0 && r.p-from < 5 {
		r.failf("block type %#x is not known here", r.b[from])
	}
}

func (f *function) bulkInstruction(at int) {
	r := &f.r
	sub := r.u32()
	switch sub {
	case 0, 1, 2, 3, 4, 5, 6, 7: // saturating conversions
	case 9, 13, 16: // data.drop, elem.drop, table.size
		r.u32()
	case 11, 15, 17: // memory.fill, table.grow, table.fill
		r.u32()
	case 8, 10, 12, 14: // memory.init, memory.copy, table.init, table.copy
		r.u32()
		r.u32()
	default:
		r.failf("instruction 0xfc %d is not known here", sub)
	}
	if r.err != nil || sub < 8 || sub == 9 || sub == 13 || sub == 16 {
		return
	}
	f.bulk = true
	f.flush(at)
	f.payBulk()
}

func (f *function) vectorInstruction() {
	r := &f.r
	switch sub := r.u32(); {
	case sub <= 11 || sub == 92 || sub == 93: // loads and stores
		r.u32()
		r.u32()
	case sub == 12 || sub == 13: // v128.const, i8x16.shuffle
		r.take(16)
	case sub >= 21 && sub <= 34: // lanes
		r.byte()
	case sub >= 84 && sub <= 91: // loads and stores of a lane
		r.u32()
		r.u32()
		r.byte()
	case sub > 255:
		r.failf("vector instruction %d is not known here: it is of the proposal for relaxed SIMD, whose results differ from machine to machine", sub)
	}
}
