// Package asm assembles small WebAssembly modules for tests: the hostile ones that no compiler would make.
package asm

// Sections of the binary format.
const (
	Custom = iota
	Type
	Import
	Function
	Table
	Memory
	Global
	Exports
	Start
	Element
	Codes
	Datas
)

// Kinds of imports and exports.
const (
	KindFunction = iota
	KindTable
	KindMemory
	KindGlobal
)

// Value types.
const (
	I32 = 0x7f
	I64 = 0x7e
)

// Module makes a module of sections.
func Module(sections ...[]byte) []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	for _, s := range sections {
		b = append(AppendU32(append(b, s[0]), uint32(len(s)-1)), s[1:]...)
	}
	return b
}

// Section makes a section of its id and items.
func Section(id byte, items ...[]byte) []byte {
	b := AppendU32([]byte{id}, uint32(len(items)))
	for _, item := range items {
		b = append(b, item...)
	}
	return b
}

// FuncType makes a function's type.
func FuncType(params, results []byte) []byte {
	b := append([]byte{0x60, byte(len(params))}, params...)
	return append(append(b, byte(len(results))), results...)
}

// ImportFunction makes an import of a function of a type.
func ImportFunction(module, name string, typ byte) []byte {
	return append(Text(module, name), KindFunction, typ)
}

// Export makes an export.
func Export(name string, kind, index byte) []byte { return append(Text(name), kind, index) }

// Code makes a function's body without locals; the end is added.
func Code(instructions ...byte) []byte { return CodeWith([]byte{0}, instructions...) }

// CodeWith makes a function's body with the groups of its locals as given.
func CodeWith(locals []byte, instructions ...byte) []byte {
	body := append(append([]byte{}, locals...), instructions...)
	body = append(body, 0x0b)
	return append(AppendU32(nil, uint32(len(body))), body...)
}

// Data makes a data segment at an offset.
func Data(offset int32, text string) []byte {
	return append(append([]byte{0}, append(Const(offset), 0x0b)...), Text(text)...)
}

// Const is the instruction i32.const.
func Const(v int32) []byte { return appendS64([]byte{0x41}, int64(v)) }

// Const64 is the instruction i64.const.
func Const64(v int64) []byte { return appendS64([]byte{0x42}, v) }

// Text makes names, each with its length.
func Text(s ...string) []byte {
	var b []byte
	for _, s := range s {
		b = append(AppendU32(b, uint32(len(s))), s...)
	}
	return b
}

// AppendU32 appends an unsigned LEB128 number.
func AppendU32(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendS64(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}
