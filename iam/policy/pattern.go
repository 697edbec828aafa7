package policy

import (
	"strings"
	"unicode/utf8"
)

// A pattern is a text with wildcards and variables: "arn:aws:ec2:*:*:vpc/${aws:username}-*".
type pattern struct {
	tokens    []token
	variables []variable
	parts     []pattern // of a pattern for ARNs: its six parts, or nil for all
	whole     []token   // of a pattern for resources with a star that may reach beyond a colon; see forResources
}

// A token is a character, a wildcard, or the variable of a number below it.
type token rune

const (
	star          token = -1 // any characters
	one           token = -2 // any one character
	starInPart    token = -3 // any characters but colons
	oneInPart     token = -4 // any one character but a colon
	firstVariable token = -5 // the next ones are -6, -7, …
)

// A variable stands for the value of a condition key of the request.
type variable struct {
	key      string // in lower case
	fallback string
	optional bool // fallback is taken where the request has no such key
}

// parsePattern reads a text. Without variables "${" stands for itself, as in
// documents of the version 2008-10-17. ok is false if a variable has no end.
func parsePattern(text string, wildcards, variables bool) (p pattern, ok bool) {
	for i := 0; i < len(text); {
		if variables && strings.HasPrefix(text[i:], "${") {
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return p, false
			}
			p.appendVariable(text[i+2 : i+end])
			i += end + 1
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		switch {
		case wildcards && r == '*':
			p.appendStar()
		case wildcards && r == '?':
			p.tokens = append(p.tokens, one)
		default:
			p.tokens = append(p.tokens, token(r))
		}
	}
	return p, true
}

// appendStar makes one star of several in a row.
func (p *pattern) appendStar() {
	if n := len(p.tokens); n == 0 || p.tokens[n-1] != star {
		p.tokens = append(p.tokens, star)
	}
}

// appendVariable reads what stands in "${}": a condition key, with a default in
// quotes if a comma is there, or one of the characters that mean something else
// without "${}".
func (p *pattern) appendVariable(inner string) {
	switch inner {
	case "*", "?", "$":
		p.tokens = append(p.tokens, token(inner[0]))
		return
	}
	key, fallback, optional := strings.Cut(inner, ",")
	v := variable{key: strings.ToLower(strings.TrimSpace(key)), optional: optional}
	v.fallback = strings.Trim(strings.TrimSpace(fallback), "'")
	p.tokens = append(p.tokens, firstVariable-token(len(p.variables)))
	p.variables = append(p.variables, v)
}

// resolve returns the tokens with variables replaced. What a request brings is
// never a wildcard. ok is false if a variable has no value, or not a single one:
// then the pattern matches nothing.
func (p *pattern) resolve(keys Keys) (tokens []token, ok bool) {
	return p.resolved(p.tokens, keys)
}

func (p *pattern) resolved(all []token, keys Keys) (tokens []token, ok bool) {
	if len(p.variables) == 0 {
		return all, true
	}
	for _, t := range all {
		if t > firstVariable {
			tokens = append(tokens, t)
			continue
		}
		v := p.variables[firstVariable-t]
		text := v.fallback
		if values, found := keys.Get(v.key); found && len(values) == 1 {
			text = values[0]
		} else if !v.optional {
			return nil, false
		}
		for _, r := range text {
			tokens = append(tokens, token(r))
		}
	}
	return tokens, true
}

func (p *pattern) match(text string, keys Keys) bool {
	tokens, ok := p.resolve(keys)
	return ok && glob(tokens, text)
}

// glob matches a text in time proportional to the product of both lengths at
// worst: only the last star is ever tried again.
func glob(tokens []token, text string) bool {
	at, i := 0, 0             // where we are in tokens and in text
	starAt, starText := -1, 0 // the last star, and where what follows it is tried
	for i < len(text) {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case at < len(tokens) && tokens[at] == star:
			starAt, starText = at, i
			at++
		case at < len(tokens) && (tokens[at] == one || tokens[at] == token(r)):
			at++
			i += size
		case starAt >= 0:
			_, skipped := utf8.DecodeRuneInString(text[starText:])
			starText += skipped
			at, i = starAt+1, starText
		default:
			return false
		}
	}
	for at < len(tokens) && tokens[at] == star {
		at++
	}
	return at == len(tokens)
}

// arnParts is how many parts an ARN has: arn:partition:service:region:account:resource.
// The last may have colons in it.
const arnParts = 6

func splitARN(arn string) []string { return strings.SplitN(arn, ":", arnParts) }

// forARNs makes a pattern one that is matched part by part, so that a wildcard
// never reaches beyond a colon, except in the last part. One that ends early in a
// star has stars for all that is missing.
func (p pattern) forARNs() pattern {
	if len(p.tokens) == 1 && p.tokens[0] == star {
		return p
	}
	p.parts = []pattern{{variables: p.variables}}
	for _, t := range p.tokens {
		last := &p.parts[len(p.parts)-1]
		if t == ':' && len(p.parts) < arnParts {
			p.parts = append(p.parts, pattern{variables: p.variables})
			continue
		}
		last.tokens = append(last.tokens, t)
	}
	for last := p.parts[len(p.parts)-1].tokens; len(p.parts) < arnParts && len(last) > 0 && last[len(last)-1] == star; {
		p.parts = append(p.parts, pattern{tokens: []token{star}})
	}
	return p
}

// forResources makes a pattern one for the element Resource, where a star that ends a
// part may reach beyond the colon: IAM's page "IAM JSON policy elements: Resource".
// "arn:aws:logs:*:log-group:*" is every log group, as well as what the six parts say.
func (p pattern) forResources() pattern {
	colons, reaches := 0, false
	for i, t := range p.tokens {
		ends := i+1 < len(p.tokens) && p.tokens[i+1] == ':'
		switch {
		case t == ':':
			colons++
		case colons < arnParts-1 && t == star && !ends:
			t = starInPart
		case colons < arnParts-1 && t == star:
			reaches = true
		case colons < arnParts-1 && t == one:
			t = oneInPart
		}
		p.whole = append(p.whole, t)
	}
	if !reaches {
		p.whole = nil
	}
	return p.forARNs()
}

// matchWhole matches an ARN as one text, if a star of the pattern may reach beyond its
// part. Of each beginning of the text it is known which beginnings of the pattern match,
// so that it takes time in proportion to the product of both lengths.
func (p *pattern) matchWhole(arn string, keys Keys) bool {
	tokens, ok := p.resolved(p.whole, keys)
	if p.whole == nil || !ok {
		return false
	}
	before, now := make([]bool, len(tokens)+1), make([]bool, len(tokens)+1)
	before[0] = true
	skipStars(tokens, before)
	for _, r := range arn {
		now[0] = false
		for i, t := range tokens {
			switch {
			case t == star || t == starInPart && r != ':':
				now[i+1] = before[i] || before[i+1]
			case t == one || t == oneInPart && r != ':' || t == token(r):
				now[i+1] = before[i]
			default:
				now[i+1] = false
			}
		}
		skipStars(tokens, now)
		before, now = now, before
	}
	return before[len(tokens)]
}

// skipStars notes that a star also matches nothing.
func skipStars(tokens []token, matched []bool) {
	for i, t := range tokens {
		matched[i+1] = matched[i+1] || matched[i] && (t == star || t == starInPart)
	}
}

func (p *pattern) matchARN(arn []string, keys Keys) bool {
	if p.parts == nil {
		return true
	}
	if len(arn) != len(p.parts) {
		return false
	}
	for i := range p.parts {
		if !p.parts[i].match(arn[i], keys) {
			return false
		}
	}
	return true
}
