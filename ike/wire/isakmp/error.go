package isakmp

import "fmt"

// An Error says what is wrong with a message. Notify is the notification that the
// peer is owed, where we send one at all.
type Error struct {
	Notify  NotifyType
	Problem string
}

// Error shows the notification and the problem.
func (e *Error) Error() string { return fmt.Sprintf("%v: %s", e.Notify, e.Problem) }

func malformed(format string, args ...any) *Error {
	return &Error{Notify: PayloadMalformed, Problem: fmt.Sprintf(format, args...)}
}
