// Package arch holds the test that keeps the house standing: which folder may import which. The arrows and their
// reasons are in the test's table; ARCHITECTURE.md draws them.
package arch
