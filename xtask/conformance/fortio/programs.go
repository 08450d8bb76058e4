//go:build programs

// Package programs names the program that is built, so that go.sum holds what it needs.
package programs

import _ "fortio.org/fortio"
