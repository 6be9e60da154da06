package fn

import "math"

// Add adds x to the sum with its compensation c: Kahan's summation with Neumaier's improvement, as upstream has it.
// Once the sum overflows, the compensation is dropped. The result is sum + c.
func Add(x, sum, c float64) (newSum, newC float64) {
	x, sum, c = float64(x), float64(sum), float64(c)
	t := float64(sum + x)
	switch {
	case t > math.MaxFloat64 || t < -math.MaxFloat64:
		c = 0
	case math.Abs(sum) >= math.Abs(x):
		c += float64(float64(sum-t) + x)
	default:
		c += float64(float64(x-t) + sum)
	}
	return t, float64(c)
}
