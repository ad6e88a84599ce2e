package upload

import "context"

func (t *tenure) retain(ctx context.Context) error { <-ctx.Done(); return nil }
