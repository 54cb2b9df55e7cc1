package main

const (
	alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	filler   = "kwire-benchmark:"
	pool     = 4 << 20
)

// payloads are what the records hold: blocks of 16 random letters and 16 that are always the same, so that
// compression has half to do. All clients make the same; there are about 4 MB, more than a codec's window.
func payloads(size int) [][]byte {
	count := min(max(pool/size, 64), 16384)
	state := uint64(0x9E3779B97F4A7C15)
	made := make([][]byte, count)
	for n := range made {
		value := make([]byte, size)
		for i := range value {
			if i&16 != 0 {
				value[i] = filler[i&15]
				continue
			}
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			value[i] = alphabet[state>>58]
		}
		made[n] = value
	}
	return made
}
