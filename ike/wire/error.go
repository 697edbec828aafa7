package wire

import "fmt"

// An Error says what is wrong with a message. Notify is the error notification
// that the peer is owed, where RFC 7296 section 2.21 lets us send one at all,
// and Data the notification's data.
type Error struct {
	Notify  NotifyType
	Data    []byte
	Problem string
}

// Error shows the notification and the problem.
func (e *Error) Error() string { return fmt.Sprintf("%v: %s", e.Notify, e.Problem) }

func syntaxError(format string, args ...any) *Error {
	return &Error{Notify: InvalidSyntax, Problem: fmt.Sprintf(format, args...)}
}
