module kwire/compat-tests/support/gokit

go 1.25.0
