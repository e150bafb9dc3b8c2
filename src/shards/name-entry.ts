// What a name in a bucket stands for, and under which condition it may be changed.
//
// The etag is the first sixteen bytes of the id of the transaction that wrote the entry: no two writes have the same one, and whoever
// signs a write knows its etag before anybody else does, so the next compare-and-swap need not wait for an answer.

import { z } from 'zod';
import { equal } from '../base/bytes.ts';
import { bytesOf, bytesUpTo, decodeCanonical, digestOf, encode, uint } from '../base/codec.ts';
import type { Digest, ObjectId } from '../base/ids.ts';
import {
  DIRECTORY_VALUE_LENGTH_MAX,
  NAME_LENGTH_MAX,
  OBJECT_LENGTH_MAX,
  WRAPPED_KEY_LENGTH_MAX,
} from '../base/limits.ts';

/** As long as the entity tags of S3. */
export const ETAG_LENGTH = 16;

export interface ObjectReference {
  /** SHA-256 of the manifest. */
  readonly manifest: Digest;
  readonly object: ObjectId;
  readonly lengthBytes: number;
  /** The content key, wrapped for those who may read; empty for a public object. */
  readonly wrappedKey: Uint8Array;
}

export interface NameEntry {
  readonly object: ObjectReference;
  /** Of the block that wrote it. */
  readonly height: number;
  readonly etag: Uint8Array;
  /** Etag of the rename that takes it to another bucket; null: none does. Until it has ended nothing else changes the entry. */
  readonly movingAs: Uint8Array | null;
}

/** What must be true of a name for it to be changed. */
export type Condition =
  | { readonly kind: 'any' }
  /** HTTP's If-None-Match: * */
  | { readonly kind: 'absent' }
  /** HTTP's If-Match: * */
  | { readonly kind: 'present' }
  /** HTTP's If-Match: etag */
  | { readonly kind: 'match'; readonly etag: Uint8Array };

const CONDITION_KINDS = ['any', 'absent', 'present'] as const;

// ---- Form ----------------------------------------------------------------------------------------------------

export const nameSchema: z.ZodType<Uint8Array> = bytesUpTo(NAME_LENGTH_MAX).refine(
  (name) => name.length > 0,
  'an empty name',
);

export const referenceSchema: z.ZodType<ObjectReference> = z
  .tuple([
    digestOf<Digest>(),
    digestOf<ObjectId>(),
    uint(OBJECT_LENGTH_MAX),
    bytesUpTo(WRAPPED_KEY_LENGTH_MAX),
  ])
  .transform(
    ([manifest, object, lengthBytes, wrappedKey]): ObjectReference => ({
      manifest,
      object,
      lengthBytes,
      wrappedKey,
    }),
  );

export const referenceTuple = (reference: ObjectReference): readonly unknown[] => [
  reference.manifest,
  reference.object,
  reference.lengthBytes,
  reference.wrappedKey,
];

export const conditionSchema: z.ZodType<Condition> = z.union([
  uint(CONDITION_KINDS.length - 1).transform((tag): Condition => ({ kind: CONDITION_KINDS[tag]! })),
  bytesOf(ETAG_LENGTH).transform((etag): Condition => ({ kind: 'match', etag })),
]);

export const conditionValue = (condition: Condition): unknown =>
  condition.kind === 'match' ? condition.etag : CONDITION_KINDS.indexOf(condition.kind);

/** An entry is as long while it moves as it is otherwise, so setting it free never makes a page split. */
const NOT_MOVING: Uint8Array = new Uint8Array(ETAG_LENGTH);

const entrySchema = z.tuple([referenceSchema, uint(), bytesOf(ETAG_LENGTH), bytesOf(ETAG_LENGTH)]).transform(
  ([object, height, etag, moving]): NameEntry => ({
    object,
    height,
    etag,
    movingAs: equal(moving, NOT_MOVING) ? null : moving,
  }),
);

export function encodeEntry({ object, height, etag, movingAs }: NameEntry): Uint8Array {
  return encode([referenceTuple(object), height, etag, movingAs ?? NOT_MOVING]);
}

/** Throws INVALID_ENCODING. */
export function decodeEntry(bytes: Uint8Array): NameEntry {
  return decodeCanonical(entrySchema, bytes, DIRECTORY_VALUE_LENGTH_MAX, 'name entry');
}

// ---- Rules ---------------------------------------------------------------------------------------------------

export function etagOf(transactionId: Uint8Array): Uint8Array {
  return transactionId.slice(0, ETAG_LENGTH);
}

export function isMet(condition: Condition, entry: NameEntry | undefined): boolean {
  switch (condition.kind) {
    case 'any':
      return true;
    case 'absent':
      return entry === undefined;
    case 'present':
      return entry !== undefined;
    case 'match':
      return entry !== undefined && equal(entry.etag, condition.etag);
  }
}
