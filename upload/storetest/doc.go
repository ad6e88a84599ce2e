// Package storetest has the tests that every upload.Store passes. It is for tests only.
package storetest
