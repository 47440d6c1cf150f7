import { expect, test } from '@jest/globals';
import { compileTemplate } from './template.ts';

const LABELS = new Map(Object.entries({ msg: 'Hello, World', n: '41', took: '1500ms', size: '2KiB', empty: '', path: '/a b?c=d&e' }));
const LINE = { text: 'the line', ns: 1_700_000_000_123_456_789n };

const write = (template: string): string => compileTemplate(template)(LABELS, LINE);

// Each as Go's text/template with the functions of Loki 3 writes it.
test.each([
  ['{{.msg}} {{ .none }}|', 'Hello, World |'],
  ['a {{- "b" -}} c', 'abc'],
  ['{{/* a comment */}}x', 'x'],
  ['{{ "a}}b" }}', 'a}}b'],
  ['{{ .msg | lower | trunc 5 }}', 'hello'],
  ['{{ ToUpper .msg }} {{ upper "é" }} {{ title "a bc-d" }}', 'HELLO, WORLD É A Bc-D'],
  ['{{ trunc -5 .msg }} {{ substr 7 -1 .msg }} {{ substr -1 2 .msg }}', 'World World He'],
  ['{{ Replace .msg "l" "L" 2 }} {{ replace "l" "" .msg }}', 'HeLLo, World Heo, Word'],
  ['{{ Trim "xxaxx" "x" }}{{ TrimLeft "xxa" "x" }}{{ TrimRight "axx" "x" }}{{ trimAll "x" "xax" }}', 'aaaa'],
  ['{{ TrimPrefix .msg "Hello" }}{{ trimSuffix "World" .msg }}{{ trim "  a " }}', ', WorldHello, a'],
  ['{{ contains "World" .msg }} {{ hasPrefix "x" .msg }} {{ hasSuffix "d" .msg }}', 'true false true'],
  ['{{ indent 2 "a\\nb" }}{{ nindent 1 "c" }}', '  a\n  b\n c'],
  ['{{ repeat 3 "ab" }} [{{ alignLeft 4 "ab" }}] [{{ alignRight 4 "ab" }}] {{ alignLeft 1 "ab" }}', 'ababab [ab  ] [  ab] a'],
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is Go's
  ['{{ regexReplaceAll "(\\\\w+), (\\\\w+)" .msg "${2} $1" }}', 'World Hello'],
  ['{{ regexReplaceAllLiteral "l+" .msg "$1" }} {{ count "l" .msg }}', 'He$1o, Wor$1d 3'],
  ['{{ urlencode .path }} {{ urldecode "a%20b+c" }}', '%2Fa+b%3Fc%3Dd%26e a b c'],
  ['{{ b64enc "hi" }} {{ b64dec "aGk=" }}', 'aGk= hi'],
  ['{{ bytes .size }} {{ duration .took }} {{ duration_seconds "1h" }}', '2048 1.5 3600'],
  ['{{ default "-" .empty }} {{ .n | default "-" }}', '- 41'],
  ['{{ add .n 1 }} {{ sub 5 7 }} {{ mul 2 3 4 }} {{ div 7 2 }} {{ mod -7 2 }} {{ max 1 3 2 }} {{ min 1 3 }}', '42 -2 24 3 -1 3 1'],
  ['{{ addf 0.1 0.2 }} {{ subf 1 0.5 }} {{ divf 1 4 }} {{ mulf .n 2 }} {{ maxf 1.5 2 }}', '0.3 0.5 0.25 82 2'],
  ['{{ ceil 1.2 }} {{ floor 1.8 }} {{ round 1.2345 2 }} {{ int 1.9 }} {{ float64 "1.5" }}', '2 1 1.23 1 1.5'],
  ['{{ if eq .n "41" }}yes{{ else }}no{{ end }} {{ if .empty }}a{{ else if contains "W" .msg }}b{{ end }}', 'yes b'],
  ['{{ with .msg }}<{{ . }}>{{ end }}{{ with .none }}x{{ else }}none{{ end }}', '<Hello, World>none'],
  ['{{ if and (gt (int .n) 40) (not .none) }}big{{ end }} {{ or .none "other" }} {{ ne 1 2 }}', 'big other true'],
  ['{{ eq .n "1" "41" }} {{ lt "a" "b" }} {{ ge 1.5 1.5 }}', 'true true true'],
  ['{{ printf "%-6s|%5.2f|%03d|%v|%q|%x|%%|%t" .n 1.5 7 .n .n 255 true }}', '41    | 1.50|007|41|"41"|ff|%|true'],
  ['{{ printf "%d %s" .n }}', '%!d(string=41) %!s(MISSING)'],
  ['{{ __line__ }} {{ unixEpoch __timestamp__ }} {{ __timestamp__ | unixEpochMillis }}', 'the line 1700000000 1700000000123'],
  ['{{ __timestamp__ | date "Mon Jan _2 15:04:05.000000 2006" }}', 'Tue Nov 14 22:13:20.123456 2023'],
  [
    '{{ len .msg }} {{ print 1 "a" }} {{ 1e3 | printf "%g" }} {{ 1e6 }} {{ 999999.5 }} {{ divf 1 3 }}',
    '12 1a 1000 1e+06 999999.5 0.3333333333333333',
  ],
])('%s', (template, text) => {
  expect(write(template)).toBe(text);
});

test.each([
  ['{{ .x', 'an action {{ has no end'],
  ['{{ if .x }}', '{{if}} without {{end}}'],
  ['{{ end }}', 'unexpected {{end}}'],
  ['{{ }}', 'missing value for command'],
  ['{{ range .x }}{{ end }}', '{{range}} is not supported'],
  ['{{ $x := .a }}', 'variables such as $x are not supported'],
  ['{{ fromJson .x }}', 'the function fromJson is not supported'],
  ['{{ constructor .x }}', 'function "constructor" not defined'],
  ['{{ .a.b }}', '.a.b: a label has no fields of its own'],
  ['{{ .a "b" }}', "can't give argument to non-function"],
  ['{{ (lower .a }}', '( has no end'],
  [`{{ ${'('.repeat(3000)} }}`, 'nested more than 20 deep'],
  ['{{ if .x }}'.repeat(300), 'nested more than 20 deep'],
])('a mistake is told when the query is read: %s', (template, message) => {
  expect(() => compileTemplate(template)).toThrow(message);
});

test.each([
  ['{{ repeat 1000000000 .msg }}', 'at most 65536 are made'],
  ['{{ repeat -1 .msg }}', 'negative Repeat count'],
  ['{{ indent 100000 .msg }}', 'at most 65536 are made'],
  ['{{ alignLeft 9000000 .msg }}', 'at most 65536 are made'],
  ['{{ printf "%99999999s" .msg }}', 'too wide'],
  ['{{ Replace (repeat 5000 "a") "a" (repeat 5000 "b") -1 }}', 'at most 65536 are made'],
  ['{{ regexReplaceAll "a" (repeat 5000 "a") (repeat 5000 "b") }}', 'a text of more than 65536'],
  ['{{ repeat 60000 "a" | len }}'.repeat(20), 'more than 1048576 characters'],
  ['{{ div 1 0 }}', 'zero'],
  ['{{ upper 1 }}', 'expected string; got int'],
  ['{{ eq 1 "1" }}', 'incompatible types for comparison'],
  ['{{ upper }}', 'wrong number of args for upper: want 1 got 0'],
])('what goes wrong with a line is its mistake, in bounded memory: %s', (template, message) => {
  expect(() => write(template)).toThrow(message);
});
