/** Matches the password of a URL: `redis://user:secret@host`. The user name stays, since it helps to see who was refused. */
const URL_PASSWORD = /(:\/\/[^\s/:@"]*:)[^\s/@"]+(?=@)/g;

/**
 * Matches everything before the host of a Redis URL, also where slashes are missing: its passwords may hold characters that end one
 * elsewhere.
 */
const REDIS_USER = /(\brediss?:\/{0,2})[^\s"\\]*(?=@)/gi;

/** Names of secrets. */
const SECRET_NAME = /token|[\w-]*(?:password|passphrase|secret|authorization|cookie|api[_-]?key|(?:access|auth|refresh|bearer)[_-]?token)/;

/**
 * Matches a string field with a secret's name, at any depth, in JSON or in JSON quoted within a string. Names are whole words with any
 * prefix (`clientSecret`, `redis_password`); a bare `token` counts, while `tokens` or `maskToken` are terms of this field.
 */
const SECRET_FIELD = new RegExp(`(\\\\*"(?:${SECRET_NAME.source})\\\\*"\\s*:\\s*\\\\*")((?:[^"\\\\]|\\\\[^"])*)`, 'gi');

/** Matches an HTTP credential inside any text: `Authorization: Bearer abc`. */
const BEARER = /\b(bearer|basic)\s+[\w.~+/-]{8,}=*/gi;

/**
 * Replaces passwords in URLs, the values of secret fields and bearer tokens in a log line by `[redacted]`.
 *
 * Works on the finished line, so that it covers fields, error messages, causes and stacks alike; JSON stays JSON.
 */
export function redactLine(line: string): string {
  return line
    .replace(URL_PASSWORD, '$1[redacted]')
    .replace(REDIS_USER, '$1[redacted]')
    .replace(SECRET_FIELD, '$1[redacted]')
    .replace(BEARER, '$1 [redacted]');
}
