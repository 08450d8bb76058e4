//go:build programs

// Package programs names the programs that are built, so that go.sum holds what they need.
package programs

import (
	_ "github.com/summerwind/h2spec/cmd/h2spec"
	_ "github.com/summerwind/h2spec/cmd/h2specd"
)
