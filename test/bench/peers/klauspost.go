// klauspost/reedsolomon as a bench peer: lines "operation k n length rounds", answered with CPU seconds. With the
// argument "avx2" its GFNI and AVX-512 paths are off.
package main

import (
	"bufio"
	"fmt"
	"os"
	"syscall"

	"github.com/klauspost/reedsolomon"
)

func cpuSeconds() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	micros := usage.Utime.Usec + usage.Stime.Usec
	return float64(usage.Utime.Sec+usage.Stime.Sec) + float64(micros)/1e6
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	options := []reedsolomon.Option{reedsolomon.WithMaxGoroutines(1)}
	if len(os.Args) > 1 && os.Args[1] == "avx2" {
		options = append(options, reedsolomon.WithGFNI(false), reedsolomon.WithAVXGFNI(false), reedsolomon.WithAVX512(false))
	}
	fmt.Println("ready")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var operation string
		var k, n, length, rounds int
		fmt.Sscan(lines.Text(), &operation, &k, &n, &length, &rounds)
		codec, err := reedsolomon.New(k, n-k, options...)
		fail(err)
		whole := reedsolomon.AllocAligned(n, length)
		for row, piece := range whole[:k] {
			for at := range piece {
				piece[at] = byte(at*31 + row)
			}
		}
		fail(codec.Encode(whole))
		lost := 1
		if operation == "decode" {
			lost = min(k, n-k)
		}
		pieces := make([][]byte, n)
		start := cpuSeconds()
		for round := 0; round < rounds; round++ {
			if operation == "encode" {
				fail(codec.Encode(whole))
				continue
			}
			for column := range pieces {
				if column < lost {
					pieces[column] = whole[column][:0]
				} else if column < lost+k {
					pieces[column] = whole[column]
				} else {
					pieces[column] = nil
				}
			}
			fail(codec.ReconstructData(pieces))
		}
		fmt.Println(cpuSeconds() - start)
	}
}
