// `src/base/codec.ts`, where bytes that were decoded before are not decoded again. What comes out is frozen, because nodes share it: whoever
// would change it throws.

import type * as z from 'zod';
import * as real from '../../../../src/base/codec.ts';
import { isSharing, memo, textOf } from './sharing.ts';

export * from '../../../../src/base/codec.ts';

/** Of one kind of record; a run has some ten thousand. */
const ENTRIES_MAX = 50_000;

/** By schema and bytes. What is refused is not kept. */
const decoded = memo(new Map<unknown, Map<string, unknown>>());

export const decodeCanonical: typeof real.decodeCanonical = <T>(
  schema: z.ZodType<T>,
  bytes: Uint8Array,
  maxLength: number,
  what: string,
): T => {
  if (!isSharing() || bytes.length > maxLength) return real.decodeCanonical(schema, bytes, maxLength, what);
  let known = decoded.get(schema) as Map<string, T> | undefined;
  if (known === undefined) decoded.set(schema, (known = new Map()));
  const text = textOf(bytes);
  const earlier = known.get(text);
  if (earlier !== undefined) return earlier;
  const value = frozen(real.decodeCanonical(schema, bytes, maxLength, what));
  if (known.size >= ENTRIES_MAX) known.clear();
  known.set(text, value);
  return value;
};

/** All but byte strings, which cannot be. */
function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value))
    return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}
