module github.com/aofsidecar/aofsidecar

go 1.26
