package chunk

// transform says what the residuals of integers are. All arithmetic is modulo 2^64, so nothing overflows.
type transform byte

const (
	transformFOR   transform = 0 // x[i] = start + g*r[i]
	transformDelta transform = 1 // x[i] = x[i-1] + g*r[i], x[-1] = start
	transformDoD   transform = 2 // x[i] = x[i-1] + g*d[i], d[i] = d[i-1] + r[i], d[-1] = slope
	transformLine  transform = 3 // x[i] = start + g*(i*slope + r[i])
)

// sequence is a run of integers as residuals. Encoders choose start (and slope) so that the first residual is
// like the others: it needs no wider field.
type sequence struct {
	transform transform
	g         int64 // all differences are multiples of it
	start     int64
	slope     int64 // of transformDoD and transformLine
}

// hasSlope tells whether the slope is written.
func (s *sequence) hasSlope() bool { return s.transform >= transformDoD }

// readStart reads the start and, if there is one, the slope.
func (s *sequence) readStart(r *reader) {
	s.start = r.varint()
	if s.hasSlope() {
		s.slope = r.varint()
	}
}

// residuals fills r from the differences d, with d[i] = (x[i]-x[i-1])/g for i >= 1 and any d[0], and x[0]. It sets
// start and slope. All three slices have the same length, 2 or more.
func (s *sequence) residuals(r, d []int64, x0 int64) {
	r = r[:len(d)]
	s.start, s.slope = x0, 0
	switch s.transform {
	case transformFOR:
		r[0] = 0
		sum := int64(0)
		for i := 1; i < len(d); i++ {
			sum += d[i]
			r[i] = sum
		}
	case transformDelta:
		copy(r, d)
		r[0] = d[1]
		s.start = x0 - s.g*d[1]
	case transformDoD:
		r[0], r[1] = 0, 0
		for i := 2; i < len(d); i++ {
			r[i] = d[i] - d[i-1]
		}
		s.start, s.slope = x0-s.g*d[1], d[1]
	}
}

// read fills x with the integers whose residuals r holds as minis.
func (s *sequence) read(x []int64, r *reader) error {
	run := *s // how far the sums are
	for len(x) > 0 {
		m := x[:min(miniRows, len(x))]
		x = x[len(m):]
		base, err := readFields(r, m)
		if err != nil {
			return err
		}
		run.sum(m, base)
	}
	return nil
}

// sum turns residuals less base into integers, in place. It moves start and slope on to where x ends.
func (s *sequence) sum(x []int64, base int64) {
	g, v, d := s.g, s.start, s.slope
	b := g * base
	switch s.transform {
	case transformFOR:
		b += v
		for i, q := range x {
			x[i] = b + g*q
		}
	case transformDelta:
		for i, q := range x {
			v += b + g*q
			x[i] = v
		}
	case transformDoD:
		for i, q := range x {
			d += base + q
			v += g * d
			x[i] = v
		}
	case transformLine:
		step := g * d
		for i, q := range x {
			x[i] = v + b + g*q
			v += step
		}
	}
	s.start, s.slope = v, d
}
