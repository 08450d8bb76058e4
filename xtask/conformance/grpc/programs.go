//go:build programs

// Package programs names the programs that are built, so that go.sum holds what they need.
package programs

import (
	_ "google.golang.org/grpc/interop/client"
	_ "google.golang.org/grpc/interop/server"
)
