// An object comes onto the chain: its manifest and the first of its segments, or all, with the certificates that members hold them. The
// sender's home checks the certificates, against the members of the epoch, and passes on what is left to remember.
//
// An inline object has no segments: its manifest is all of it, and is confirmed like any other.

import { z } from 'zod';
import { equal } from '../../base/bytes.ts';
import { bytesOf, digestOf, listOf, uint } from '../../base/codec.ts';
import type { Digest, NodeId, ObjectId, Signature } from '../../base/ids.ts';
import { CODE_PIECES_MAX, MANIFEST_LENGTH_MAX } from '../../base/limits.ts';
import type { SegmentRecord } from '../../replication/manifest.ts';
import { KEY_CHECK_LENGTH, objectIdOf, SALT_LENGTH } from '../../replication/object.ts';
import { areSegmentsHeld, isManifestKept, type ManifestCertificate, type Subject } from '../availability.ts';
import { emptyMessage } from '../home-operation.ts';
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
import {
  type PlacedSegment,
  segmentsSchema,
  segmentsTuple,
  signedSegmentsSchema,
  signedSegmentsTuple,
} from '../segments.ts';
import { objectHome } from '../state-key.ts';
import { storageMembersOf, touchesOfMembers } from '../storage-members.ts';

export interface RegisterObject {
  /** `objectIdOf` network, sender and salt. */
  readonly object: ObjectId;
  readonly salt: Uint8Array;
  readonly shape: ObjectShape;
  readonly keyCheck: Uint8Array | null;
  readonly manifest: ManifestCertificate;
  readonly expiresAtMs: number | null;
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
      signedSegmentsSchema,
    ])
    .transform(
      ([object, salt, shape, keyCheck, manifest, expiresAtMs, segments]): RegisterObject => ({
        object,
        salt,
        shape,
        keyCheck,
        manifest,
        expiresAtMs,
        segments,
      }),
    )
    .refine(({ shape, keyCheck }) => shape.isEncrypted === (keyCheck !== null), 'a key check without a key')
    .refine(({ shape, segments }) => segments.length <= segmentCount(shape), 'more segments than it has'),
  tuple: ({ object, salt, shape, keyCheck, manifest, expiresAtMs, segments }) => [
    object,
    salt,
    shapeTuple(shape),
    keyCheck,
    [manifest.digest, manifest.lengthBytes, manifest.confirmations],
    expiresAtMs,
    signedSegmentsTuple(segments),
  ],
  touches: (_sender, { object }) => [...touchesOfMembers(), objectKey(object)],
  recipients: (_sender, { object }) => [objectHome(object)],
  commit: (context, action) => {
    const refusal = problemOf(context, action);
    if (refusal !== undefined) return refusal;
    const { sender, send } = context;
    const { object: id, segments } = action;
    const payload: Registration = { object: recordOf(context, action), segments: segments.map(unsigned) };
    send(emptyMessage(objectHome(id), 'register-object', payload, sender));
    return undefined;
  },
};

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
  execute: ({ state, message }, { object, segments }) => {
    const id = message.to.id as ObjectId;
    if (objectOf(state, id) !== undefined) return 'already-exists';
    putObject(state, id, appendSegments(state, id, object, segments));
    return undefined;
  },
};
