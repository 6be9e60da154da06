package chunk

// products decodes packed decimals that two products make, straight to values: what most columns are.
func (d *Decoder) products(dst []float64, s *sequence, dom *domain, r *reader) error {
	x, slope, hi, lo := s.start, s.slope, dom.hi, dom.lo
	for len(dst) > 0 {
		out := dst[:min(miniRows, len(dst))]
		dst = dst[len(out):]
		m, fields, err := readMini(r, len(out))
		if err != nil {
			return err
		}
		if s.transform == transformDelta && m.width >= 1 && m.width <= maxFused && !m.patched {
			x = deltas(out, m, fields, x, s.g, dom)
			continue
		}
		q := d.x[:len(out)]
		if err := m.unpack(r, fields, q); err != nil {
			return err
		}
		b := s.g * m.base
		switch s.transform {
		case transformFOR:
			b += s.start
			for i, v := range q {
				out[i] = product(b+s.g*v, hi, lo)
			}
		case transformDelta:
			for i, v := range q {
				x += b + s.g*v
				out[i] = product(x, hi, lo)
			}
		case transformDoD:
			for i, v := range q {
				slope += m.base + v
				x += s.g * slope
				out[i] = product(x, hi, lo)
			}
		}
	}
	return nil
}

// deltas decodes one mini of differences by the fused kernels. It returns the last integer, if out is as long as a
// kernel likes it; else the mini is the last one and nobody asks.
func deltas(out []float64, m mini, fields []byte, x, g int64, dom *domain) int64 {
	b := g * m.base
	full := len(out) &^ 31
	x = unpackDeltas(m.width, fields, out[:full], x, b, g, dom.hi, dom.lo)
	if rest := out[full:]; len(rest) > 0 {
		var room [4 * maxFused]byte
		var tail [32]float64
		copy(room[:], fields[full/8*m.width:])
		unpackDeltas(m.width, room[:4*m.width], tail[:], x, b, g, dom.hi, dom.lo)
		copy(rest, tail[:])
	}
	return x
}
