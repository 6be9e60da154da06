package chunk

import "math/bits"

// appendBitmap appends a bit a row, set where d is not 0, least significant first.
func appendBitmap(dst []byte, d []int64) []byte {
	var acc byte
	for i, v := range d {
		if v != 0 {
			acc |= 1 << (i & 7)
		}
		if i&7 == 7 {
			dst, acc = append(dst, acc), 0
		}
	}
	if len(d)&7 != 0 {
		dst = append(dst, acc)
	}
	return dst
}

// readBitmap fills x from a bitmap of changes and their minis; changes is scratch for len(x)+1 integers.
func readBitmap(x, changes []int64, s *sequence, r *reader) error {
	bitmap := r.take(packedLen(len(x), 1))
	if r.short {
		return corrupt("bitmap cut short")
	}
	count := 0
	for _, b := range bitmap {
		count += bits.OnesCount8(b)
	}
	if last := bitmap[len(bitmap)-1]; count == 0 || last>>((len(x)-1)&7)>>1 != 0 {
		return corrupt("bitmap of %d changes that ends in %#x for %d rows", count, last, len(x))
	}
	for part := changes[:count]; len(part) > 0; {
		m := part[:min(miniRows, len(part))]
		part = part[len(m):]
		base, err := readFields(r, m)
		if err != nil {
			return err
		}
		for i, q := range m {
			m[i] = s.g * (base + q)
		}
	}
	changes[count] = 0 // what rows after the last change look at
	changes = changes[:count+1]
	v, k := s.start, 0
	for i := range x {
		bit := bitmap[i>>3] >> (i & 7) & 1
		v += changes[k] & -int64(bit)
		k += int(bit)
		x[i] = v
	}
	return nil
}
