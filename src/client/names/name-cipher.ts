// Names as the chain sees them in an encrypted bucket: one frame per component, each sealed under its bucket and the frames before it.
//
//     name  = frame(1) ... frame(c)
//     frame = u8 (0x80 + units - 1) | 16 bytes tag | 16 * units bytes ciphertext
//
// So what lies in one folder begins with the same bytes and stands together, equal names in different folders have nothing in common, and the
// length of a component shows to sixteen bytes only. No text in UTF-8 begins with 0x80 to 0xBF, so an encrypted name is never
// taken for a plain one.
//
// The order within a folder is that of the ciphertext: by rounded length, then as if by chance.

import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, toUtf8 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { ContentKey, ObjectId } from '../../base/ids.ts';
import type { BucketId } from '../../shards/bucket.ts';
import { deriveSivKeys, open, seal, SIV_TAG_LENGTH, type SivKeys } from './siv.ts';

/** What an owner encrypts names and content keys with. Secret. */
export interface NameKeys {
  readonly names: SivKeys;
  readonly contentKeys: SivKeys;
}

const SECRET_LENGTH = 32;
const UNIT_LENGTH = 16;
const UNITS_MAX = 64;
const FRAME_MARK = 0x80;
const HEAD_LENGTH: number = 1 + SIV_TAG_LENGTH;

/** From 32 secret bytes that belong to the owner's key and are used for nothing else. Throws INVALID_ARGUMENT. */
export function createNameKeys(secret: Uint8Array): NameKeys {
  if (secret.length !== SECRET_LENGTH) {
    throw new StoreError('INVALID_ARGUMENT', `a secret for names has ${SECRET_LENGTH} bytes`);
  }
  return { names: deriveSivKeys(secret, 'name'), contentKeys: deriveSivKeys(secret, 'content-key') };
}

/** Of the owner's signing key itself: whoever restores that from its phrase can read the names again. Throws INVALID_ARGUMENT. */
export function nameKeysOfSeed(seed: Uint8Array): NameKeys {
  if (seed.length !== SECRET_LENGTH) {
    throw new StoreError('INVALID_ARGUMENT', `the seed of a key has ${SECRET_LENGTH} bytes`);
  }
  return createNameKeys(hkdf(sha256, seed, undefined, toUtf8('holdfast/name-secret'), SECRET_LENGTH));
}

// ---- Components ----------------------------------------------------------------------------------------------

/** The frame of `component`, which is text without NUL of 1 to 1024 bytes, behind the frames of its folder. */
export function sealComponent(
  keys: NameKeys,
  bucket: BucketId,
  folder: Uint8Array,
  component: string,
): Uint8Array {
  const text = toUtf8(component);
  const units = Math.ceil(text.length / UNIT_LENGTH);
  const padded = new Uint8Array(units * UNIT_LENGTH);
  padded.set(text);
  const sealed = seal(keys.names, contextOf(bucket, folder), padded);
  return concat(new Uint8Array([FRAME_MARK + units - 1]), sealed);
}

/** The component in `frame`; undefined when it was not sealed there. */
export function openComponent(
  keys: NameKeys,
  bucket: BucketId,
  folder: Uint8Array,
  frame: Uint8Array,
): string | undefined {
  const padded = open(keys.names, contextOf(bucket, folder), frame.subarray(1));
  if (padded === undefined) return undefined;
  const end = padded.indexOf(0);
  const text = end < 0 ? padded : padded.subarray(0, end);
  // Sealed with our key: only a defect of ours would have made it otherwise.
  return text.length > padded.length - UNIT_LENGTH ? decoder.decode(text) : undefined;
}

const decoder: TextDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

function contextOf(bucket: BucketId, folder: Uint8Array): Uint8Array {
  return concat(bucket, sha256(folder));
}

// ---- Frames --------------------------------------------------------------------------------------------------

/** Length of the frame that begins at `at`; undefined when none does. Needs no key. */
export function frameLength(name: Uint8Array, at: number): number | undefined {
  const units = (name[at] ?? 0) - FRAME_MARK + 1;
  if (units < 1 || units > UNITS_MAX) return undefined;
  const length = HEAD_LENGTH + units * UNIT_LENGTH;
  return at + length <= name.length ? length : undefined;
}

// ---- Content keys --------------------------------------------------------------------------------------------

/** First byte of a wrapped key: wrapped for the owner as below. */
const FOR_OWNER = 1;
const CONTENT_KEY_LENGTH = 32;

/** The content key of `object` for the entry of its name: only the owner can unwrap it, and only as the key of this object. */
export function wrapKey(keys: NameKeys, object: ObjectId, key: ContentKey): Uint8Array {
  return concat(new Uint8Array([FOR_OWNER]), seal(keys.contentKeys, object, key));
}

/** Throws WRONG_KEY when it was wrapped by other keys or for another object. */
export function unwrapKey(keys: NameKeys, object: ObjectId, wrapped: Uint8Array): ContentKey {
  const key = wrapped[0] === FOR_OWNER ? open(keys.contentKeys, object, wrapped.subarray(1)) : undefined;
  if (key?.length === CONTENT_KEY_LENGTH) return key as ContentKey;
  throw new StoreError('WRONG_KEY', 'the content key in the name was not wrapped for this key', {
    next: 'Use the owner key with which the object was put.',
  });
}
