/** True when a path begins with `~` or `~name`, which only a shell expands to a home folder. */
export function isHomeRelative(path: string): boolean {
  return /^~[^/]*(\/|$)/.test(path);
}

/** Error text for such a path. */
export function homeRelativeAdvice(path: string): string {
  return `${path}: only a shell expands ~ to a home folder; write the full path, such as ${path.replace(/^~[^/]*/, '/home/you')}`;
}
