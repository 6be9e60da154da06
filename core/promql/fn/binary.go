package fn

import (
	"math"
	"strconv"

	"github.com/prometheus/prometheus/promql/parser"
)

// Binary returns what a binary operator computes of two numbers. For a comparison that is the left one, and keep tells
// whether it holds.
func Binary(op parser.ItemType, l, r float64) (v float64, keep bool) {
	switch op {
	case parser.ADD:
		return l + r, true
	case parser.SUB:
		return l - r, true
	case parser.MUL:
		return l * r, true
	case parser.DIV:
		return l / r, true
	case parser.POW:
		return math.Pow(l, r), true
	case parser.MOD:
		return math.Mod(l, r), true
	case parser.ATAN2:
		return math.Atan2(l, r), true
	case parser.EQLC:
		return l, l == r
	case parser.NEQ:
		return l, l != r
	case parser.GTR:
		return l, l > r
	case parser.LSS:
		return l, l < r
	case parser.GTE:
		return l, l >= r
	case parser.LTE:
		return l, l <= r
	}
	panic(Error("operator " + strconv.Quote(op.String()) + " not allowed for Scalar operations"))
}

// OfHistograms tells whether an operator has no result on floats: it trims native histograms.
func OfHistograms(op parser.ItemType) bool { return op == parser.TRIM_LOWER || op == parser.TRIM_UPPER }

// Arithmetic tells whether an operator makes another quantity of its operands, so that the name no longer fits.
func Arithmetic(op parser.ItemType) bool {
	switch op {
	case parser.ADD, parser.SUB, parser.DIV, parser.MUL, parser.POW, parser.MOD, parser.ATAN2:
		return true
	}
	return false
}

// Truth is 1 for true.
func Truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
