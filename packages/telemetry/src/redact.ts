/** The password of a URL: `redis://user:secret@host`. The user name stays, it helps to see who was refused. */
const URL_PASSWORD = /(:\/\/[^\s/:@"]*:)[^\s/@"]+(?=@)/g;

/** All that stands before the host of a Redis, whose passwords hold characters that end one elsewhere, also where slashes are missing. */
const REDIS_USER = /(\brediss?:\/{0,2})[^\s"\\]*(?=@)/gi;

/**
 * A string field whose name says that it is secret, at any depth, in JSON or in JSON quoted within a string. Names are whole words
 * with any prefix (`clientSecret`, `redis_password`); a bare `token` counts, while `tokens` or `maskToken` are this field's own words.
 */
const SECRET_FIELD =
  /(\\*"(?:token|[\w-]*(?:password|passphrase|secret|authorization|cookie|api[_-]?key|(?:access|auth|refresh|bearer)[_-]?token))\\*"\s*:\s*\\*")((?:[^"\\]|\\[^"])*)/gi;

/** An HTTP credential inside any text: `Authorization: Bearer abc`. */
const BEARER = /\b(bearer|basic)\s+[\w.~+/-]{8,}=*/gi;

/**
 * A log line with passwords in URLs, the values of secret fields and bearer tokens replaced by `[redacted]`.
 *
 * It works on the finished line, so that it holds for fields, error messages, causes and stacks alike; what goes in as JSON comes out as
 * JSON.
 */
export function redactLine(line: string): string {
  return line
    .replace(URL_PASSWORD, '$1[redacted]')
    .replace(REDIS_USER, '$1[redacted]')
    .replace(SECRET_FIELD, '$1[redacted]')
    .replace(BEARER, '$1 [redacted]');
}
