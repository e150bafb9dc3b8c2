// What an upload hands over when it has its quorum, before it is acknowledged: everything that the chain is told about the object. Segments
// of a large object are read from the pages of its manifest again, so memory does not grow with it.

import type { EpochRecord } from '../base/epoch.ts';
import type { StoreError } from '../base/errors.ts';
import type { ContentKey, Digest, ObjectId } from '../base/ids.ts';
import { PAGE_SEGMENTS_MAX } from '../base/limits.ts';
import { decodePage, type SegmentRecord } from '../replication/manifest.ts';
import { keyCheck } from '../replication/object.ts';
import type { Context } from './context.ts';
import type { Health } from './health.ts';
import type { UploadedObject } from './names/registration.ts';
import type { PutPlan } from './put-plan.ts';
import { findRecord, type StoredRecord } from './records.ts';
import type { NoticeEvent } from './types.ts';

/** What is done with a finished upload before it counts. */
export interface Publication {
  /** Whether an upload that was interrupted cannot go on as this object, because it may have been published already. */
  isTaken(object: ObjectId, signal: AbortSignal): Promise<boolean>;
  /** `key`: the content key, undefined for an object in the clear. */
  publish(uploaded: UploadedObject, key: ContentKey | undefined, signal: AbortSignal): Promise<void>;
  /** Whether nothing stands for the object although publishing it failed so: then its pieces are taken back. */
  isUndone(failure: StoreError): boolean;
}

/** The stored manifest and what lies below it. */
export interface StoredObject {
  readonly manifest: StoredRecord;
  /** None: the bytes are in the manifest. */
  readonly pages: readonly Digest[];
  /** Of the first page. */
  readonly firstSegments: readonly SegmentRecord[];
}

/** The upload whose records are read. */
interface Reading {
  readonly context: Context;
  readonly epoch: EpochRecord;
  readonly plan: PutPlan;
  readonly health: Health;
  readonly signal: AbortSignal;
  readonly notice: (event: NoticeEvent) => void;
}

export function uploadedObject(
  reading: Reading,
  { manifest, pages, firstSegments }: StoredObject,
  lengthBytes: number,
): UploadedObject {
  const { salt, object, code, segmentCells, key } = reading.plan;
  const isInline = pages.length === 0;
  const { digest, confirmations } = manifest;
  return {
    object,
    salt,
    shape: { lengthBytes, code, segmentCells, isEncrypted: key !== undefined, isInline },
    keyCheck: key === undefined ? null : keyCheck(key, object),
    manifest: { digest, lengthBytes: manifest.lengthBytes, confirmations },
    expiresAtMs: null,
    segments: (first) => (pages.length <= 1 ? firstSegments.slice(first) : segmentsOf(reading, pages, first)),
  };
}

async function* segmentsOf(
  { context, epoch, health, signal, notice }: Reading,
  pages: readonly Digest[],
  first: number,
): AsyncGenerator<SegmentRecord> {
  let skipped = first % PAGE_SEGMENTS_MAX;
  for (const page of pages.slice(Math.floor(first / PAGE_SEGMENTS_MAX))) {
    const record = await findRecord(context, epoch, page, health, signal, notice);
    yield* decodePage(record).segments.slice(skipped);
    skipped = 0;
  }
}
