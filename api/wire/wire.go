// Package wire turns the bytes of AWS's form protocols and of its JSON protocol
// into the generated types of package model, and back.
//
// What the names on the wire are, and what a request must obey, stands in the
// struct tags of those types:
//
//	req:"TagSpecification"   the name in requests
//	res:"tagSet>item"        the name in answers, of a list also that of an item
//	rule:"required,min=5"    required, sensitive, min and max (of a number its value, of a text, list or map its length)
//	enum:"default,dedicated" the allowed values
//
// The package knows no service: it is given names, values and limits only.
package wire

import "fmt"

// A Dialect is one of the protocols.
type Dialect uint8

const (
	EC2   Dialect = iota // forms; lists are Name.N; answers in XML have no result element
	Query                // forms; lists are Name.member.N; answers in XML have a result element
	JSON                 // objects of JSON both ways; the action stands in a header
)

// DialectOf returns the dialect that a model calls by that name.
func DialectOf(protocol string) (Dialect, bool) {
	switch protocol {
	case "ec2":
		return EC2, true
	case "query":
		return Query, true
	case "json":
		return JSON, true
	}
	return 0, false
}

// Limits of a request. The body is bounded by whoever reads it.
const (
	ParametersMax  = 10_000     // one call that names 1,000 resources with tags stays well below
	nameLengthMax  = 512        // bytes; the longest name of EC2's model has about 150
	valueLengthMax = 256 * 1024 // bytes; user data, the largest value, has 16 KiB
	indexMax       = 10_000     // of a list item
	depthMax       = 16         // structures within structures; EC2's deepest input has 6
	ignoredMax     = 16         // names of unknown parameters that a decoder tells
	skippedMax     = 64         // depth of what an unknown member of a JSON object may hold
	quotedMax      = 100        // bytes of a bad value that an error repeats
	choicesMax     = 20         // values of an enumeration that an error lists
)

// The codes that an Error can have.
const (
	CodeInvalidCharacter      = "InvalidCharacter"
	CodeInvalidParameterValue = "InvalidParameterValue"
	CodeMalformedQueryString  = "MalformedQueryString"
	CodeMissingParameter      = "MissingParameter"

	// Of the JSON dialect.
	CodeSerialization = "SerializationException" // it isn't JSON, or a member has the wrong type
	CodeValidation    = "ValidationException"    // a member breaks a rule of the model
)

// An Error says what is wrong with a request. Its text may be told to the
// caller; the value of a sensitive parameter is never in it.
type Error struct {
	Code    string // one of AWS's, as listed above
	Message string
}

// Error is the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

func errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
