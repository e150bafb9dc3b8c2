// Objects for tests: an epoch with members, and registrations that they have confirmed.

import { epochDigest, type Member } from '../../src/base/epoch.ts';
import type { Digest, Epoch, NodeId, ObjectId, PieceRoot, Signature, Stake } from '../../src/base/ids.ts';
import { putQuorum, recordQuorum } from '../../src/replication/code.ts';
import { confirmedRecord, signConfirmation } from '../../src/replication/confirmation.ts';
import { type SegmentRecord, segmentCapacity } from '../../src/replication/manifest.ts';
import { objectIdOf } from '../../src/replication/object.ts';
import { putEpochState } from '../../src/shards/epoch-state.ts';
import { epochRecordOf, operatorIdOf, putMembers } from '../../src/shards/members.ts';
import { objectOf, type ObjectRecord, segmentsOf } from '../../src/shards/object-record.ts';
import {
  type ObjectShape,
  pieceLengthOf,
  segmentCount,
  segmentsPerRecord,
} from '../../src/shards/object-shape.ts';
import type { AddSegments } from '../../src/shards/operations/add-segments.ts';
import type { RegisterObject } from '../../src/shards/operations/register-object.ts';
import { DEFAULT_PARAMETERS, putParameters } from '../../src/shards/parameters.ts';
import type { PlacedSegment } from '../../src/shards/segments.ts';
import { digestFrom } from '../helpers/records.ts';
import { Homes } from './homes.ts';
import { NETWORK, ownerOf, signerOf } from './world.ts';

export const nodeId = (index: number): NodeId => signerOf(`node ${index}`).publicKey as NodeId;

/** Node `index`, run by the account `operator <index>` unless told otherwise. */
export const memberAt = (index: number, operator = `operator ${index}`): Member => ({
  node: nodeId(index),
  operator: operatorIdOf(ownerOf(operator)),
  stake: 100n as Stake,
  capacityBytes: 2 ** 40,
  admissionSeed: digestFrom(`admission ${index}`),
  domains: [],
});

/** Segments of a mebibyte, two pieces of four. */
export const shapeOf = (segments: number, more: Partial<ObjectShape> = {}): ObjectShape => ({
  lengthBytes: segments * segmentCapacity(16, true) - 7,
  code: { k: 2, n: 4 },
  segmentCells: 16,
  isEncrypted: true,
  isInline: false,
  ...more,
});

export class Objects extends Homes {
  #epochs = 0;

  constructor(
    members: readonly Member[] = [0, 1, 2, 3, 4, 5].map((index) => memberAt(index)),
    isTrial = false,
  ) {
    super();
    this.setMembers(members, isTrial);
  }

  setMembers(members: readonly Member[], isTrial = false): void {
    const { storage } = DEFAULT_PARAMETERS;
    const parameters = { ...DEFAULT_PARAMETERS, storage: { ...storage, shardMembersMin: 4, isTrial } };
    const epoch = this.#epochs++ as Epoch;
    const zeros = new Uint8Array(32) as Digest;
    const header = { network: NETWORK, epoch, previous: zeros, seed: zeros, shardBits: this.shardBits };
    const record = epochRecordOf(parameters, header, members);
    this.memory.run((state) => {
      putParameters(state, parameters);
      putMembers(state, record.members, 0);
      putEpochState(state, {
        epoch,
        lengthBlocks: 10,
        seed: zeros,
        shardBits: this.shardBits,
        mode: 'shared',
        membersDigest: epochDigest(record),
        previousDigest: record.previous,
        memberCount: members.length,
        starts: [{ height: 0, timeMs: 0 }],
      });
    });
  }

  object(id: ObjectId): ObjectRecord | undefined {
    return this.memory.run((state) => objectOf(state, id));
  }

  /** All that are registered, from however many records. */
  segments(id: ObjectId): readonly PlacedSegment[] {
    const { shape, registered } = this.object(id)!;
    const parts = Math.ceil(registered / segmentsPerRecord(shape.code));
    return this.memory.run((state) =>
      Array.from({ length: parts }, (_, part) => segmentsOf(state, id, part)).flat(),
    );
  }
}

export const idOf = (owner: string, name: string): ObjectId =>
  objectIdOf(NETWORK, ownerOf(owner), digestFrom(name).slice(0, 16));

/** Segment `index`, piece i held by node (index + i) mod 5, confirmed by as many as the code wants. */
export function segmentAt(object: ObjectId, shape: ObjectShape, index: number, nodes = 5): SegmentRecord {
  const { n } = shape.code;
  const pieces = Array.from({ length: n }, (_, piece) => piece);
  const roots = pieces.map((piece) => digestFrom<PieceRoot>(`root ${index} ${piece}`));
  const held = pieces.map((piece) => (index + piece) % nodes);
  const confirmations = pieces.slice(0, putQuorum(shape.code)).map((pieceIndex) => ({
    pieceIndex,
    signature: confirm(object, shape, index, pieceIndex, roots[pieceIndex]!, held[pieceIndex]!),
  }));
  return { salt: digestFrom(`salt ${index}`).slice(0, 16), roots, holders: held.map(nodeId), confirmations };
}

export function confirm(
  object: ObjectId,
  shape: ObjectShape,
  segmentIndex: number,
  pieceIndex: number,
  root: PieceRoot,
  node: number,
): Signature {
  const lengthBytes = pieceLengthOf(shape, segmentIndex);
  const piece = { network: NETWORK, object, segmentIndex, pieceIndex, root, lengthBytes };
  return signConfirmation(piece, signerOf(`node ${node}`));
}

export const confirmManifest = (object: ObjectId, name: string, node: number): Signature =>
  signConfirmation(
    confirmedRecord(NETWORK, object, digestFrom(`manifest ${name}`), 900),
    signerOf(`node ${node}`),
  );

/** A registration of the first `count` segments, or of all. */
export function registration(
  owner: string,
  name: string,
  shape: ObjectShape,
  count: number = segmentCount(shape),
): RegisterObject {
  const object = idOf(owner, name);
  const copies = Array.from({ length: recordQuorum(shape.code) }, (_, node) => node);
  return {
    object,
    salt: digestFrom(name).slice(0, 16),
    shape,
    keyCheck: shape.isEncrypted ? digestFrom('check').slice(0, 16) : null,
    manifest: {
      digest: digestFrom(`manifest ${name}`),
      lengthBytes: 900,
      confirmations: copies.map((node) => [nodeId(node), confirmManifest(object, name, node)] as const),
    },
    expiresAtMs: null,
    payment: 0n,
    segments: Array.from({ length: count }, (_, index) => segmentAt(object, shape, index)),
  };
}

export function addition(
  owner: string,
  name: string,
  shape: ObjectShape,
  first: number,
  count: number,
): AddSegments {
  const object = idOf(owner, name);
  const segments = Array.from({ length: count }, (_, at) => segmentAt(object, shape, first + at));
  return { object, shape, first, segments };
}
