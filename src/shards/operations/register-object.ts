// An object comes onto the chain: its manifest and the first of its segments, or all, with the certificates that members hold them. The
// sender's home checks the certificates, against the members of the epoch, and passes on what is left to remember.
//
// An inline object has no segments: its manifest is all of it, and is confirmed like any other.

import { z } from 'zod';
import { equal } from '../../base/bytes.ts';
import { bigUint, bytesOf, digestOf, listOf, uint } from '../../base/codec.ts';
import type { Digest, NodeId, ObjectId, Signature } from '../../base/ids.ts';
import { CODE_PIECES_MAX, MANIFEST_LENGTH_MAX } from '../../base/limits.ts';
import type { SegmentRecord } from '../../replication/manifest.ts';
import { KEY_CHECK_LENGTH, objectIdOf, SALT_LENGTH } from '../../replication/object.ts';
import { accountKey, debit } from '../account.ts';
import { amountOf, NATIVE, NOTHING } from '../amounts.ts';
import { areSegmentsHeld, isManifestKept, type ManifestCertificate, type Subject } from '../availability.ts';
import { type Deposit, nextDeposit, valueOf } from '../deposits.ts';
import {
  appendSegments,
  objectKey,
  objectOf,
  type ObjectRecord,
  objectSchema,
  objectTuple,
  putObject,
} from '../object-record.ts';
import { type ObjectShape, segmentCount, shapeSchema, shapeTuple } from '../object-shape.ts';
import type { BlockContext, CommitContext, Delivery, Operation, RefusalCode } from '../operation.ts';
import { parametersOf } from '../parameters.ts';
import { costOf, isFree } from '../prices.ts';
import {
  type PlacedSegment,
  segmentsSchema,
  segmentsTuple,
  signedSegmentsSchema,
  signedSegmentsTuple,
} from '../segments.ts';
import { objectHome } from '../state-key.ts';
import { storageMembersOf, touchesOfMembers } from '../storage-members.ts';
import { depositMessage } from './deposits.ts';

export interface RegisterObject {
  /** `objectIdOf` network, sender and salt. */
  readonly object: ObjectId;
  readonly salt: Uint8Array;
  readonly shape: ObjectShape;
  readonly keyCheck: Uint8Array | null;
  readonly manifest: ManifestCertificate;
  readonly expiresAtMs: number | null;
  /** Native tokens, at most, for keeping it until it expires; what that costs is in `prices.ts`. */
  readonly payment: bigint;
  /** From the first on. */
  readonly segments: readonly SegmentRecord[];
}

const manifestSchema: z.ZodType<ManifestCertificate> = z
  .tuple([
    digestOf<Digest>(),
    uint(MANIFEST_LENGTH_MAX),
    listOf(
      z
        .tuple([digestOf<NodeId>(), bytesOf(64)])
        .transform(([node, signature]) => [node, signature as Signature] as const),
      CODE_PIECES_MAX,
    ),
  ])
  .transform(
    ([digest, lengthBytes, confirmations]): ManifestCertificate => ({ digest, lengthBytes, confirmations }),
  );

export const registerObject: Operation<RegisterObject> = {
  kind: 'register-object',
  tag: 46,
  schema: z
    .tuple([
      digestOf<ObjectId>(),
      bytesOf(SALT_LENGTH),
      shapeSchema,
      bytesOf(KEY_CHECK_LENGTH).nullable(),
      manifestSchema,
      uint().nullable(),
      bigUint,
      signedSegmentsSchema,
    ])
    .transform(
      ([object, salt, shape, keyCheck, manifest, expiresAtMs, payment, segments]): RegisterObject => ({
        object,
        salt,
        shape,
        keyCheck,
        manifest,
        expiresAtMs,
        payment,
        segments,
      }),
    )
    .refine(({ shape, keyCheck }) => shape.isEncrypted === (keyCheck !== null), 'a key check without a key')
    .refine(({ shape, segments }) => segments.length <= segmentCount(shape), 'more segments than it has'),
  tuple: ({ object, salt, shape, keyCheck, manifest, expiresAtMs, payment, segments }) => [
    object,
    salt,
    shapeTuple(shape),
    keyCheck,
    [manifest.digest, manifest.lengthBytes, manifest.confirmations],
    expiresAtMs,
    payment,
    signedSegmentsTuple(segments),
  ],
  touches: (sender, { object }) => [...touchesOfMembers(), accountKey(sender), objectKey(object)],
  recipients: (_sender, { object }) => [objectHome(object)],
  commit: (context, action) => {
    const refusal = problemOf(context, action);
    if (refusal !== undefined) return refusal;
    const deposit = depositFor(context, action);
    if (typeof deposit === 'string') return deposit;
    const { state, sender, send } = context;
    const value = deposit === null ? NOTHING : amountOf(NATIVE, valueOf(deposit));
    if (value.length > 0 && !debit(state, sender, value)) return 'insufficient-balance';
    const object = recordOf(context, action, deposit === null ? [] : [deposit]);
    const payload: Registration = { object, segments: action.segments.map(unsigned) };
    send({ to: objectHome(action.object), kind: 'register-object', payload, value, refundTo: sender });
    return undefined;
  },
};

/** For the whole time until it expires; null where storage is free. What nobody says the end of cannot be paid for. */
function depositFor(
  { state, block }: CommitContext,
  { shape, manifest, expiresAtMs, payment }: RegisterObject,
): Deposit | null | RefusalCode {
  const rules = parametersOf(state).prices;
  if (isFree(rules)) return null;
  if (expiresAtMs === null) return 'invalid-argument';
  const cost = costOf(rules, shape, manifest.lengthBytes, block.timeMs, expiresAtMs);
  if (cost.total > payment) return 'condition-failed';
  return nextDeposit([], cost, block.epoch) ?? 'invalid-argument';
}

function problemOf(
  { state, block, sender }: CommitContext,
  { object, salt, shape, manifest, expiresAtMs, segments }: RegisterObject,
): RefusalCode | undefined {
  if (!equal(object, objectIdOf(block.network, sender, salt))) return 'invalid-argument';
  if (expiresAtMs !== null && expiresAtMs < block.timeMs) return 'expired';
  const subject = subjectOf(storageMembersOf(state, block), block, object);
  const isHeld =
    isManifestKept(subject, shape.code, manifest) && areSegmentsHeld(subject, shape, 0, segments);
  return isHeld ? undefined : 'invalid-certificate';
}

export function subjectOf(members: Subject['members'], block: BlockContext, object: ObjectId): Subject {
  return { network: block.network, object, members, verify: block.verify };
}

function recordOf(
  { sender, block }: CommitContext,
  { salt, shape, keyCheck, manifest, expiresAtMs }: RegisterObject,
  deposits: readonly Deposit[],
): ObjectRecord {
  const { digest, lengthBytes, confirmations } = manifest;
  return {
    owner: sender,
    salt,
    shape,
    keyCheck,
    manifest: { digest, lengthBytes, holders: confirmations.map(([node]) => node) },
    registered: 0,
    registeredAtHeight: block.height,
    expiresAtMs,
    isLeaving: false,
    deposits,
  };
}

export function unsigned({ salt, roots, holders }: SegmentRecord): PlacedSegment {
  return { salt, roots, holders };
}

// ---- At the object's home ------------------------------------------------------------------------------------

export interface Registration {
  /** Without segments yet. */
  readonly object: ObjectRecord;
  readonly segments: readonly PlacedSegment[];
}

export const registerObjectDelivery: Delivery<Registration> = {
  kind: 'register-object',
  tag: 46,
  schema: z
    .tuple([objectSchema, segmentsSchema])
    .transform(([object, segments]): Registration => ({ object, segments })),
  tuple: ({ object, segments }) => [objectTuple(object), segmentsTuple(segments)],
  touches: ({ to }) => [objectKey(to.id as ObjectId)],
  execute: ({ state, block, message, send }, { object, segments }) => {
    const id = message.to.id as ObjectId;
    if (objectOf(state, id) !== undefined) return 'already-exists';
    const registered = appendSegments(state, id, object, segments);
    putObject(state, id, { ...registered, registeredAtHeight: block.height });
    for (const deposit of object.deposits) send(depositMessage(deposit, message.refundTo));
    return undefined;
  },
};
