// An audited node with real pieces and a copy, its auditor, and what the chain says about them: the small world of the tests of proofs.

import { toHex } from '../../src/base/bytes.ts';
import type { Digest, NetworkId, NodeId, ObjectId } from '../../src/base/ids.ts';
import { LEAF_LENGTH } from '../../src/base/limits.ts';
import type { Signer } from '../../src/base/ports.ts';
import type { Asked, HeldPlace } from '../../src/proofs/draw.ts';
import { type Content, type Opening, openCopy, openLeaf } from '../../src/proofs/opening.ts';
import { isCopy, type Place, placeBytes, placeOf, weightOf } from '../../src/proofs/place.ts';
import type { AuditContext, ContentOf } from '../../src/proofs/response.ts';
import { hashPiece } from '../../src/replication/piece-tree.ts';
import { nativeSha256, nativeSigner } from '../../src/runtime/crypto.ts';
import { digestFrom } from '../helpers/records.ts';

export const keyOf = (name: string): Signer => nativeSigner(digestFrom(`seed of ${name}`));
export const HOLDER: Signer = keyOf('holder');
export const AUDITOR: Signer = keyOf('auditor');

export const CONTEXT: AuditContext = {
  network: digestFrom<NetworkId>('network'),
  round: 7,
  seed: digestFrom<Digest>('round seed'),
  node: HOLDER.publicKey as NodeId,
};

export const object = (index: number): ObjectId => digestFrom<ObjectId>(`object ${index}`);

/** `count` pieces with the given weights, in turn, of ten objects. */
export function heldPlaces(count: number, weights: readonly number[], name = 0): HeldPlace[] {
  return Array.from({ length: count }, (_, index) => ({
    place: placeOf(object(10 * name + (index % 10)), Math.floor(index / 10), index % 7),
    weight: weights[index % weights.length]!,
  }));
}

interface Stored {
  readonly place: Place;
  readonly bytes: Uint8Array;
}

const pattern = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8) * seed + seed) % 251);

/** Lengths around every border: nothing, less than a leaf, a group, several. */
const LENGTHS = [0, 1, 700, 1024, 1025, 5000, 16_384, 16_385, 50_000, 115_713];

const STORED: readonly Stored[] = [
  ...LENGTHS.map((length, index) => ({
    place: placeOf(object(index % 3), index, index % 5),
    bytes: pattern(length, index + 1),
  })),
  { place: placeOf(object(1), null, 2), bytes: pattern(1500, 77) },
];

const textOf = (place: Place): string => toHex(placeBytes(place));
const byPlace = new Map(STORED.map((stored) => [textOf(stored.place), stored]));
const contents = new Map(
  STORED.map(({ place, bytes }): [string, Content] => {
    const root = isCopy(place) ? nativeSha256(bytes) : hashPiece(bytes).root;
    return [textOf(place), { root, lengthBytes: bytes.length }];
  }),
);

/** What the chain says is at a place. */
export const contentOf: ContentOf = (place) => contents.get(textOf(place));

export function contentAt(place: Place): Content {
  return contentOf(place)!;
}

/** Every leaf of everything stored. */
export const ALL_ASKED: readonly Asked[] = STORED.flatMap(({ place, bytes }) =>
  Array.from({ length: isCopy(place) ? 1 : weightOf(bytes.length) }, (_, leafIndex) => ({
    place,
    leafIndex,
  })),
);

/** One leaf of each place, in the order of a draw. */
export const SOME_ASKED: readonly Asked[] = STORED.map(({ place, bytes }) => ({
  place,
  leafIndex: isCopy(place) ? 0 : Math.floor(weightOf(bytes.length) / 2) % weightOf(bytes.length),
}));

/** As an honest node opens it. */
export function open({ place, leafIndex }: Asked): Opening {
  const { bytes } = byPlace.get(textOf(place))!;
  if (isCopy(place)) return openCopy(place, bytes);
  const group = Math.floor(leafIndex / 16) * 16 * LEAF_LENGTH;
  const groupBytes = bytes.subarray(group, group + 16 * LEAF_LENGTH);
  return openLeaf({ place, leafIndex }, groupBytes, hashPiece(bytes).outboard, bytes.length);
}
