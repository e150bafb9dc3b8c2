// What a person calls an object: `store://bucket/key`. A bucket is a label; a key is any text of components that '/' separates, taken
// as it is: nothing is decoded, normalised or made lower case, so two texts that differ name two objects.
//
// The other kind of URI, `store://CID#NETWORK.KEY` (`uri.ts`), has its '#' before any '/', and a key may hold a '#' only behind one: the
// first of the two tells them apart. A CID whose '#' got lost would read as a bucket, so no bucket may look like one.

import { toUtf8 } from '../../base/bytes.ts';
import { label } from '../../base/codec.ts';
import { StoreError } from '../../base/errors.ts';
import { KEY_LENGTH_MAX } from '../../base/limits.ts';

export interface NamePath {
  readonly bucket: string;
  readonly key: string;
}

const SCHEME = 'store://';
export const SEPARATOR = '/';
/** Buckets that clients keep for themselves begin so. */
export const RESERVED_PREFIX = 'holdfast.';
const EXAMPLE = 'store://photos/2024/cat.jpg';
const CID_SHAPE = /^b[a-z2-7]{58}$/;

// ---- Text ----------------------------------------------------------------------------------------------------

/** Whether `text` claims to be a name, and not the URI of an object by its CID. It may still be malformed. */
export function isNameUri(text: string): boolean {
  if (!text.startsWith(SCHEME)) return false;
  const end = text.slice(SCHEME.length).search(/[/#]/);
  return end < 0 || text[SCHEME.length + end] === SEPARATOR;
}

export function formatNameUri({ bucket, key }: NamePath): string {
  return `${SCHEME}${bucket}${SEPARATOR}${key}`;
}

/** Throws INVALID_URI unless it names an object: a bucket and a key. */
export function parseNameUri(text: string): NamePath {
  const { bucket, rest } = split(text);
  if (rest === '') throw off('the key is missing', `Say which object: ${EXAMPLE}`);
  const problem = keyProblem(rest);
  if (problem !== undefined) throw off(`key ${problem}`, `Write it like this: ${EXAMPLE}`);
  return { bucket, key: rest };
}

/** A bucket and what the keys in it begin with, perhaps nothing: `store://photos`, `store://photos/2024/`. Throws INVALID_URI. */
export function parsePrefixUri(text: string): { readonly bucket: string; readonly prefix: string } {
  const { bucket, rest } = split(text);
  const problem = prefixProblem(rest);
  if (problem !== undefined) throw off(`prefix ${problem}`, 'Write it like this: store://photos/2024/');
  return { bucket, prefix: rest };
}

function split(text: string): { readonly bucket: string; readonly rest: string } {
  if (typeof text !== 'string' || !text.startsWith(SCHEME)) {
    throw off(`it does not start with ${SCHEME}`, `Write it like this: ${EXAMPLE}`);
  }
  if (!isNameUri(text)) throw off('it has a # where the key should begin', `Write it like this: ${EXAMPLE}`);
  const path = text.slice(SCHEME.length);
  const end = path.indexOf(SEPARATOR);
  const bucket = end < 0 ? path : path.slice(0, end);
  const problem = bucketProblem(bucket);
  if (problem !== undefined) throw off(problem, `Write it like this: ${EXAMPLE}`);
  return { bucket, rest: end < 0 ? '' : path.slice(end + 1) };
}

function off(reason: string, next: string): StoreError {
  return new StoreError('INVALID_URI', `not the name of an object: ${reason}`, { next });
}

// ---- Parts ---------------------------------------------------------------------------------------------------

/** Throws INVALID_ARGUMENT unless a bucket may be called so. */
export function checkBucketName(name: string): string {
  const problem = bucketProblem(name);
  if (problem === undefined) return name;
  throw new StoreError('INVALID_ARGUMENT', problem, { next: 'Choose a name like photos or photos-2024.' });
}

/** Throws INVALID_ARGUMENT unless an object may be called so. */
export function checkKey(key: string): string {
  const problem = keyProblem(key);
  if (problem === undefined) return key;
  throw new StoreError('INVALID_ARGUMENT', `key ${problem}`, { next: 'Choose a key like 2024/cat.jpg.' });
}

/** Throws INVALID_ARGUMENT unless keys may begin so. */
export function checkPrefix(prefix: string): string {
  const problem = prefixProblem(prefix);
  if (problem === undefined) return prefix;
  throw new StoreError('INVALID_ARGUMENT', `prefix ${problem}`, {
    next: 'Choose a prefix like 2024/ or 20.',
  });
}

function bucketProblem(name: string): string | undefined {
  if (!label.safeParse(name).success) {
    return `${quoted(name)} is no name of a bucket: it has 1 to 64 of a-z, 0-9, dot, underscore and hyphen and begins with a letter or digit`;
  }
  if (CID_SHAPE.test(name)) return 'it looks like a CID whose part after # is missing; no bucket may';
  return name.startsWith(RESERVED_PREFIX) ? `bucket ${name} is kept for programs` : undefined;
}

function keyProblem(key: string): string | undefined {
  if (key === '') return 'is empty';
  const problem = textProblem(key);
  if (problem !== undefined) return problem;
  for (const component of key.split(SEPARATOR)) {
    const wrong = componentProblem(component);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** Complete components, each with its '/', and then the beginning of one. */
function prefixProblem(prefix: string): string | undefined {
  const problem = textProblem(prefix);
  if (problem !== undefined) return problem;
  for (const component of prefix.split(SEPARATOR).slice(0, -1)) {
    const wrong = componentProblem(component);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function textProblem(text: string): string | undefined {
  if (typeof text !== 'string') return 'is no text';
  // Before it is encoded: nobody makes us encode a gigabyte.
  if (text.length > KEY_LENGTH_MAX) return `is longer than ${KEY_LENGTH_MAX} bytes`;
  if (!text.isWellFormed()) return 'has half a character in it';
  if (text.includes('\0')) return 'has a NUL in it';
  return toUtf8(text).length > KEY_LENGTH_MAX ? `is longer than ${KEY_LENGTH_MAX} bytes` : undefined;
}

function componentProblem(component: string): string | undefined {
  if (component === '')
    return 'has an empty component: it begins or ends with "/", or two stand side by side';
  if (component === '.' || component === '..') return `has a component "${component}"`;
  return undefined;
}

function quoted(text: string): string {
  const shown = String(text).slice(0, 64);
  return JSON.stringify(shown);
}
