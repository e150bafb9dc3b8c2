// Kademlia's key space: a key's place is the SHA-256 of its bytes, 256 bits, and two places are as far apart as their
// XOR says, read as a number. A shard is the subtree of the places that share its first bits. Pure.

import { shardOf } from '../base/epoch.ts';
import { portableSha256, type Sha256 } from '../base/hash.ts';
import { DIGEST_LENGTH, type Digest, type ShardId } from '../base/ids.ts';

/** Bits of a place. */
export const PLACE_BITS: number = 8 * DIGEST_LENGTH;

/** Where a key lives. */
export function placeOf(key: Uint8Array, sha256: Sha256 = portableSha256): Digest {
  return sha256(key) as Digest;
}

/** The shard a key belongs to: the first `shardBits` bits of its place. */
export function shardOfKey(key: Uint8Array, shardBits: number, sha256: Sha256 = portableSha256): ShardId {
  return shardOf(placeOf(key, sha256), shardBits);
}

/** XOR of two places: 0 for the same, symmetric, and a, b, c never violate the triangle inequality. */
export function distance(a: Digest, b: Digest): Digest {
  return a.map((byte, index) => byte ^ b[index]!) as Digest;
}

/** Negative when `a` is nearer to `target` than `b`, positive when farther, 0 only when a = b. */
export function compareDistance(target: Digest, a: Digest, b: Digest): number {
  for (let index = 0; index < DIGEST_LENGTH; index++) {
    const difference = (a[index]! ^ target[index]!) - (b[index]! ^ target[index]!);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** How many leading bits two places share: the depth of their common subtree. */
export function sharedBits(a: Digest, b: Digest): number {
  for (let index = 0; index < DIGEST_LENGTH; index++) {
    const difference = a[index]! ^ b[index]!;
    if (difference !== 0) return 8 * index + Math.clz32(difference) - 24;
  }
  return PLACE_BITS;
}

/** The `count` places nearest to `target`, nearest first. */
export function nearest(target: Digest, places: readonly Digest[], count: number): readonly Digest[] {
  return places.toSorted((a, b) => compareDistance(target, a, b)).slice(0, count);
}
