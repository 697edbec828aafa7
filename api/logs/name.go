package logs

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"causeway.dev/api/server"
	"causeway.dev/resource"
)

// streamForm is that of streams' names, as AWS's model states it. How long they may
// be is not in the expression, which would repeat itself that many times in memory.
var streamForm = regexp.MustCompile(`^[^:*]+$`)

// nameLengthMax is in characters.
const nameLengthMax = 512

func isStreamName(name string) bool {
	return utf8.RuneCountInString(name) <= nameLengthMax && streamForm.MatchString(name)
}

func checkGroupName(name string) error {
	switch {
	case !resource.IsLogGroupName(name):
		return invalid("1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+", resource.Clip(name))
	case strings.HasPrefix(name, "aws/"):
		return invalid("Log groups starting with AWS/ are reserved for AWS.")
	}
	return nil
}

func checkStreamName(name string) error {
	if !isStreamName(name) {
		return invalid("1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*", resource.Clip(name))
	}
	return nil
}

// groupARN is the name of a log group all over the world, without the ":*" that
// some of AWS's answers put behind it.
func groupARN(c server.Caller, name string) string {
	return resource.LogGroupARN(c.Region, c.Account, name)
}

// groupOfARN returns the name in an ARN of a log group of the caller's account
// and region, with or without ":*".
func groupOfARN(c server.Caller, arn string) (string, error) {
	name, ok := strings.CutPrefix(strings.TrimSuffix(arn, ":*"), groupARN(c, ""))
	switch {
	case ok && resource.IsLogGroupName(name):
		return name, nil
	case !strings.HasPrefix(arn, "arn:aws:logs:"):
		return "", invalid("The ARN '%s' is not that of a log group: arn:aws:logs:REGION:ACCOUNT:log-group:NAME", resource.Clip(arn))
	}
	return "", resource.Errorf(codeNotFound, "The specified log group does not exist.")
}

// groupName finds out which group a request is about: logGroupName or
// logGroupIdentifier, which is a name or an ARN, says it.
func groupName(c server.Caller, name, identifier *string) (string, error) {
	switch {
	case name == nil && identifier == nil, name != nil && identifier != nil:
		return "", invalid("Exactly one of logGroupName and logGroupIdentifier must be given.")
	case name != nil:
		return *name, checkGroupName(*name)
	case strings.HasPrefix(*identifier, "arn:"):
		return groupOfARN(c, *identifier)
	}
	return *identifier, checkGroupName(*identifier)
}
