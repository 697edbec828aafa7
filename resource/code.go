package resource

// Codes that several nouns use, exactly as AWS spells them. Codes of a single
// noun are beside it.
const (
	CodeDependencyViolation         Code = "DependencyViolation"
	CodeDryRunOperation             Code = "DryRunOperation"
	CodeFilterLimitExceeded         Code = "FilterLimitExceeded"
	CodeIdempotentParameterMismatch Code = "IdempotentParameterMismatch"
	CodeIncorrectState              Code = "IncorrectState"
	CodeInternalError               Code = "InternalError"
	CodeInvalidFilter               Code = "InvalidFilter"
	CodeInvalidNextToken            Code = "InvalidNextToken"
	CodeInvalidParameterCombination Code = "InvalidParameterCombination"
	CodeInvalidParameterValue       Code = "InvalidParameterValue"
	CodeMissingParameter            Code = "MissingParameter"
	CodeOperationNotPermitted       Code = "OperationNotPermitted"
	CodeUnsupportedOperation        Code = "UnsupportedOperation"
)

// InvalidValue says that a parameter's value is not acceptable, and why.
func InvalidValue(parameter, value, reason string) *Error {
	return Errorf(CodeInvalidParameterValue, "Value (%s) for parameter %s is invalid. %s", Clip(value), parameter, reason)
}

// Missing says that a required parameter was not given.
func Missing(parameter string) *Error {
	return Errorf(CodeMissingParameter, "The request must contain the parameter %s", parameter)
}

// Unsupported says that AWS has what was asked for and that it is not built here.
func Unsupported(what string) *Error {
	return Errorf(CodeUnsupportedOperation, "%s is not supported here", what)
}

// Clip bounds what a message repeats of a caller's input.
func Clip(s string) string {
	const most = 128
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
