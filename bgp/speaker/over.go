package speaker

import "time"

// Over says of a tunnel, the path of which is up or not since then with a sentence,
// how it does together with its session: it is up where both are. A session that is
// awaited anew, while what it has told holds, is up too.
func (s Status) Over(up bool, since time.Time, sentence string) (bool, time.Time, string) {
	if !up {
		return false, since, sentence
	}
	if s.Since.After(since) {
		since = s.Since
	}
	if !s.Established && !s.Pending {
		return false, since, "IPsec is up, BGP is not: " + s.Message
	}
	return true, since, sentence + "; " + s.Message
}
