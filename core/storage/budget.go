package storage

import "context"

// budgetKey is the key of a budget in a context.
type budgetKey struct{}

// WithBudget returns a context under which Querier.Select asks take for the memory of what it selects: bytes, about, group
// by group, before it goes on with the next. An error of take ends the selection. What was taken is held until the
// querier is closed.
func WithBudget(ctx context.Context, take func(bytes int) error) context.Context {
	return context.WithValue(ctx, budgetKey{}, take)
}

// BudgetOf returns the take of WithBudget, or one that never refuses.
func BudgetOf(ctx context.Context) (take func(bytes int) error) {
	if take, ok := ctx.Value(budgetKey{}).(func(int) error); ok {
		return take
	}
	return func(int) error { return nil }
}
