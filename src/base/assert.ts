// Programmer's errors. A broken invariant is never handled: it stops the process, because what follows it cannot
// be trusted.

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new AssertionError(`invariant broken: ${invariant}`);
}

/** For the end of an exhaustive switch: a compile error when a variant is missing. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable variant: ${String(value)}`);
}
