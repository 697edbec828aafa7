package resource

// Codes that several nouns use, with AWS's exact spelling. Those that belong
// to one noun stand beside its operations.
const (
	CodeDependencyViolation         Code = "DependencyViolation"
	CodeDryRunOperation             Code = "DryRunOperation"
	CodeIncorrectState              Code = "IncorrectState"
	CodeInvalidParameterCombination Code = "InvalidParameterCombination"
	CodeInvalidParameterValue       Code = "InvalidParameterValue"
	CodeMissingParameter            Code = "MissingParameter"
	CodeUnsupportedOperation        Code = "UnsupportedOperation"
)
