// Canonical bytes: one value, one encoding. Records are dag-cbor: tuples of integers, byte strings, text,
// CIDs, null and booleans, never floats. What is hashed or signed is these bytes, so nobody may be able to
// write the same record twice differently. Decoding costs linear time and memory in `maxLength`, whatever the
// bytes say. Which records there are, and what they mean, is left to the folder that owns them.

import { decode, encode as encodeDagCbor } from '@ipld/dag-cbor';
import { CID } from 'multiformats/cid';
import * as z from 'zod';
import { equal, toUtf8 } from './bytes.ts';
import { decodePlain, encodePlain, NOT_PLAIN } from './cbor-plain.ts';
import { scanCbor } from './cbor-scan.ts';
import { StoreError } from './errors.ts';
import { DIGEST_LENGTH, type Digest } from './ids.ts';
import { CBOR_DEPTH_MAX, CBOR_ITEMS_MAX, LABEL_LENGTH_MAX } from './limits.ts';

/**
 * Canonical encoding of `value`. Throws INVALID_ENCODING on what a record cannot hold: floats, undefined,
 * broken text.
 */
export function encode(value: unknown): Uint8Array {
  return encodePlain(value) ?? encodeAny(value);
}

function encodeAny(value: unknown): Uint8Array {
  checkEncodable(value, 0, { items: CBOR_ITEMS_MAX });
  const bytes = encodeDagCbor(value);
  // The encoder may give a view of a pooled Buffer: records are plain bytes that keep nothing else alive.
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes);
}

/**
 * The value of `schema` in `bytes`, which must be its canonical encoding of at most `maxLength` bytes. The
 * schema may brand, normalise and reshape (a tuple to an object), but must not drop anything: tuples and
 * `z.strictObject`, never `z.object`. Byte strings of the result are copies. Throws INVALID_ENCODING; `what`
 * names the record in the message.
 *
 *     const ping = decodeCanonical(z.tuple([uint(), text(64)]), bytes, 1024, 'ping');
 */
export function decodeCanonical<T>(
  schema: z.ZodType<T>,
  bytes: Uint8Array,
  maxLength: number,
  what: string,
): T {
  if (bytes.length > maxLength) throw invalid(what, `longer than ${maxLength} bytes`);
  const refusal = scanCbor(bytes);
  if (refusal !== undefined) throw invalid(what, `not canonical: ${refusal}`);
  const plain = decodePlain(bytes);
  const value = plain === NOT_PLAIN ? decodeExactly(bytes, what) : plain;
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw invalid(what, describeIssue(parsed.error));
  return parsed.data;
}

/**
 * Decoded, encoded again, compared: a second opinion on the scan, which also catches what only the CID parser
 * knows. The decoder copies byte strings out of a plain array; of a Node Buffer it would return views that
 * keep it alive.
 */
function decodeExactly(bytes: Uint8Array, what: string): unknown {
  let value: unknown;
  let again: Uint8Array;
  try {
    value = decode(new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length));
    again = encode(value);
  } catch (error) {
    throw invalid(what, 'not dag-cbor', error);
  }
  if (!equal(again, bytes)) throw invalid(what, 'not the encoding of its value');
  return value;
}

function invalid(what: string, reason: string, cause?: unknown): StoreError {
  return new StoreError('INVALID_ENCODING', `${what}: ${reason}`, { cause });
}

/** Where the record is off, without its bytes: they may be secret, and long. */
function describeIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  const path = issue === undefined || issue.path.length === 0 ? 'value' : `field ${issue.path.join('.')}`;
  return `${path} is off: ${issue?.message ?? 'unknown reason'}`.slice(0, 200);
}

/**
 * Refuses before the encoder what it would write lossily (lone surrogates) or what the scan would not accept
 * back.
 */
function checkEncodable(value: unknown, depth: number, budget: { items: number }): void {
  if (value === null || typeof value === 'boolean' || value instanceof Uint8Array) return;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw unencodable('a number that is not a safe integer');
  } else if (typeof value === 'bigint') {
    const argument = value < 0n ? -1n - value : value;
    if (argument >= 1n << 64n) throw unencodable('an integer of more than 64 bits');
  } else if (typeof value === 'string') {
    if (!value.isWellFormed()) throw unencodable('text with half a character');
    // The decoder takes U+FEFF for a byte order mark and drops it.
    if (value.startsWith('\ufeff')) throw unencodable('text that begins with a byte order mark');
  } else if (typeof value === 'object') {
    if (CID.asCID(value) === null) checkContainer(value, depth, budget);
  } else {
    throw unencodable(`a value of type ${typeof value}`);
  }
}

function checkContainer(value: object, depth: number, budget: { items: number }): void {
  if (depth >= CBOR_DEPTH_MAX) throw unencodable(`nesting deeper than ${CBOR_DEPTH_MAX}`);
  const isArray = Array.isArray(value);
  if (
    !isArray &&
    Object.getPrototypeOf(value) !== Object.prototype &&
    Object.getPrototypeOf(value) !== null
  ) {
    throw unencodable('an object that is not plain');
  }
  const members: readonly unknown[] = isArray ? value : Object.values(value);
  budget.items -= members.length;
  if (budget.items < 0) throw unencodable(`more than ${CBOR_ITEMS_MAX} items`);
  if (!isArray) for (const key of Object.keys(value)) checkEncodable(key, depth + 1, budget);
  for (let index = 0; index < members.length; index++) checkEncodable(members[index], depth + 1, budget);
}

function unencodable(what: string): StoreError {
  return new StoreError('INVALID_ENCODING', `a record cannot hold ${what}`);
}

// ---- Words for schemas -------------------------------------------------------------------------------------

/** A byte string of exactly `length` bytes. */
export function bytesOf(length: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>((value) => isBytes(value) && value.length === length, `not ${length} bytes`);
}

/** A byte string of at most `max` bytes. */
export function bytesUpTo(max: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>((value) => isBytes(value) && value.length <= max, `not at most ${max} bytes`);
}

/** A 32-byte digest, key or id under its brand. */
export function digestOf<T extends Uint8Array = Digest>(): z.ZodType<T> {
  return bytesOf(DIGEST_LENGTH) as unknown as z.ZodType<T>;
}

/** An integer from 0 to `max`. */
export function uint(max: number = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  return z.custom<number>(
    (value) => typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max,
    `not an integer from 0 to ${max}`,
  );
}

/** An integer from 0 to 2^64 - 1, always as bigint: the decoder gives numbers for small ones. */
export const bigUint: z.ZodType<bigint> = z
  .custom<bigint | number>(isUint64, 'not an unsigned 64-bit integer')
  .transform((value) => BigInt(value));

function isUint64(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0;
  return typeof value === 'bigint' && value >= 0n && value < 1n << 64n;
}

/** Text of at most `maxLength` UTF-8 bytes. */
export function text(maxLength: number): z.ZodType<string> {
  return z.custom<string>(
    (value) => typeof value === 'string' && value.length <= maxLength && toUtf8(value).length <= maxLength,
    `not text of at most ${maxLength} bytes`,
  );
}

/** A name that people give and programs compare: operator, failure domain, network. */
export const label: z.ZodType<string> = z
  .string()
  .max(LABEL_LENGTH_MAX)
  .regex(/^[a-z0-9][a-z0-9._-]*$/, 'not a label of a-z, 0-9, dot, underscore and hyphen');

/** At most `max` of `schema`. */
export function listOf<T>(schema: z.ZodType<T>, max: number): z.ZodType<T[]> {
  return z.array(schema).max(max);
}

/** Node's Buffer is a Uint8Array, but one whose `slice` shares memory: it never belongs in a record. */
function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && Object.getPrototypeOf(value) === Uint8Array.prototype;
}
