package plan

import (
	"slices"
	"strconv"
	"strings"

	"causeway.dev/nodespec"
	"causeway.dev/resource"
)

// Negotiated says in AWS's words what a node has seen a tunnel run with. What AWS
// has no word for, such as an algorithm beyond its own, is told in ours.
func Negotiated(seen nodespec.Negotiated) resource.Negotiated {
	if seen.IKEVersion == "" {
		return resource.Negotiated{}
	}
	return resource.Negotiated{IKEVersion: seen.IKEVersion, Phase1: algorithmsOf(seen.IKE), Phase2: algorithmsOf(seen.ESP)}
}

// algorithmsOf reads a proposal: "aes256gcm16-prfsha384-group20+mlkem768". Of an
// AEAD cipher in phase 1 the hash is the PRF's, as it is in AWS's options.
func algorithmsOf(proposal string) resource.Algorithms {
	var a resource.Algorithms
	for part := range strings.SplitSeq(proposal, "-") {
		hash := strings.TrimPrefix(part, "prf")
		number, isGroup := strings.CutPrefix(part, "group")
		switch {
		case isGroup:
			number, _, _ = strings.Cut(number, "+")
			if group, err := strconv.ParseInt(number, 10, 32); err == nil {
				a.DHGroup = int32(group)
			}
		case slices.ContainsFunc(hashes, func(w word) bool { return w.ours == hash }):
			a.Integrity = theirs(hashes, hash)
		default:
			a.Encryption = theirs(encryptions, part)
		}
	}
	return a
}

// theirs is AWS's name of an algorithm.
func theirs(words []word, ours string) string {
	if i := slices.IndexFunc(words, func(w word) bool { return w.ours == ours }); i >= 0 {
		return words[i].aws
	}
	return ours
}
