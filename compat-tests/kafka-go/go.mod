module kwire.test/kafka-go

go 1.25.0

require (
	github.com/segmentio/kafka-go v0.4.51
	kwire/compat-tests/support/gokit v0.0.0
)

require (
	github.com/klauspost/compress v1.15.9 // indirect
	github.com/pierrec/lz4/v4 v4.1.15 // indirect
)

replace kwire/compat-tests/support/gokit => ../support/gokit
