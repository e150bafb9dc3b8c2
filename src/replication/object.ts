// How objects and segments are named and how their keys are derived. An object id commits to its owner, so whoever
// shows (owner, salt) shows who may write and remove under it.

import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { concat, toUtf8, uint32 } from '../base/bytes.ts';
import { digest } from '../base/hash.ts';
import type { ContentKey, NetworkId, ObjectId, OwnerId, SegmentId } from '../base/ids.ts';

/** Length of the salts of objects and segments. */
export const SALT_LENGTH = 16;
/** Length of the key commitment in a manifest. */
export const KEY_CHECK_LENGTH = 16;

export function objectIdOf(network: NetworkId, owner: OwnerId, salt: Uint8Array): ObjectId {
  return digest('object', [network, owner, salt]) as Uint8Array as ObjectId;
}

export function segmentIdOf(object: ObjectId, segmentIndex: number): SegmentId {
  return digest('segment', [object, uint32(segmentIndex)]) as Uint8Array as SegmentId;
}

/**
 * Key of one encoding run of one segment: HKDF-SHA256(content key, salt, object and segment). Every run draws a new
 * salt, and cells are numbered within the run, so no (key, nonce) pair is ever used for two plaintexts, not even
 * when an upload is resumed after its source changed.
 */
export function segmentKey(
  key: ContentKey,
  object: ObjectId,
  segmentIndex: number,
  salt: Uint8Array,
): Uint8Array {
  const info = concat(toUtf8('holdfast/segment-key'), object, uint32(segmentIndex));
  return hkdf(sha256, key, salt, info, 32);
}

/** Commitment to the content key: tells a wrong key before anything is fetched, and reveals nothing about it. */
export function keyCheck(key: ContentKey, object: ObjectId): Uint8Array {
  return hkdf(sha256, key, object, toUtf8('holdfast/key-check'), KEY_CHECK_LENGTH);
}
