// Put: cut the source into segments, send each, describe them in a manifest. One segment's plaintext is read straight
// to where its ciphertext will be, in the data pieces; how many are in flight follows from the memory bound alone. The put resolves when
// every segment and the manifest have their quorum; what is left completes behind, and `complete` tells.
//
// Invariants: the manifest names only segments that a quorum confirmed; every encoding run has a fresh salt; when the put
// rejects or `complete` settles, nothing of it is running and no memory is held.

import { cidOfDigest, cidToText } from '../base/cid.ts';
import type { EpochRecord } from '../base/epoch.ts';
import { StoreError, toStoreError } from '../base/errors.ts';
import type { Digest, OwnerId } from '../base/ids.ts';
import {
  CELL_LENGTH,
  CLIENT_CODER_MEMORY,
  INLINE_LENGTH_MAX,
  MANIFEST_PAGES_MAX,
  PAGE_SEGMENTS_MAX,
  TAG_LENGTH,
} from '../base/limits.ts';
import type { SegmentShape, Slot } from '../base/ports.ts';
import { manifestCopies } from '../replication/code.ts';
import {
  encodeManifest,
  type Manifest,
  segmentCapacity,
  type SegmentRecord,
} from '../replication/manifest.ts';
import { keyCheck, objectIdOf, SALT_LENGTH, segmentKey } from '../replication/object.ts';
import { segmentShape } from '../replication/segment.ts';
import { importCellKey, sealCell } from '../runtime/coder/cells.ts';
import { slotLayout } from '../runtime/coder/job.ts';
import type { Context } from './context.ts';
import { createHealth, type Health } from './health.ts';
import { type Journal, openJournal } from './journal.ts';
import { createManifestWriter } from './manifest-writer.ts';
import { copyCells, holdSlot } from './memory.ts';
import { createMeter, type Meter } from './progress.ts';
import { planPut, type PutPlan } from './put-plan.ts';
import { createPutTotals, type PutTotals } from './put-totals.ts';
import { storeRecord, type StoredRecord } from './records.ts';
import { withdrawObject } from './remove.ts';
import { registerWithinMs } from './register-within.ts';
import { readSource, sourceLength, type SourceReader } from './source.ts';
import { failureOf, type LinkedAbort, linkedAbort, throwIfAborted } from './tasks.ts';
import type { NoticeEvent, PutOptions, PutResult, Source } from './types.ts';
import { type SegmentUpload, sendSegment } from './upload-segment.ts';
import { type Publication, type StoredObject, uploadedObject } from './uploaded.ts';
import { formatUri } from './uri.ts';

interface Upload {
  readonly context: Context;
  readonly epoch: EpochRecord;
  readonly options: PutOptions;
  readonly plan: PutPlan;
  readonly health: Health;
  readonly abort: LinkedAbort;
  readonly meter: Meter;
  readonly totals: PutTotals;
  /** Length of the source where it is known: a guess, which the source may prove wrong. */
  readonly expectedLength: number | undefined;
  readonly notice: (event: NoticeEvent) => void;
  readonly publication: Publication;
}

/** What a put tells, but for what its publication knows. */
export type UploadResult = Omit<PutResult, 'registered' | 'name'>;

/** Ends with `signal`, the store's own, and with the one of `options`. Throws what `Store.put` throws. */
export async function putObject(
  context: Context,
  epoch: EpochRecord,
  home: string,
  source: Source,
  options: PutOptions,
  signal: AbortSignal,
  publication: Publication,
): Promise<UploadResult> {
  throwIfAborted(options.signal);
  const plan = planPut(context, epoch, await context.owner.loadOrCreate(), options);
  const abort = linkedAbort(signal, options.signal);
  const expectedLength = options.lengthBytes ?? sourceLength(source);
  const meter = createMeter(context.clock, expectedLength, options.onProgress);
  const totals = createPutTotals(meter);
  const health = createHealth(context.clock, context.timing);
  const notice = (event: NoticeEvent): void => options.onNotice?.(event);
  const work = { context, epoch, options, plan, health, abort, meter, totals, expectedLength, notice };
  const upload: Upload = { ...work, publication };
  let reader: SourceReader | undefined;
  try {
    reader = readSource(source, abort.signal);
    return await putFrom(upload, home, reader);
  } catch (error) {
    const failure = error instanceof PublishingFailed ? error.failure : failureOf(error, abort.signal, 'put');
    abort.abort(failure);
    await totals.settled();
    const isKept = options.resumeKey !== undefined || error instanceof PublishingFailed;
    if (!isKept) await withdrawObject(context, plan, context.timing.withdrawMs);
    abort.release();
    throw failure;
  } finally {
    await reader?.close();
  }
}

async function putFrom(upload: Upload, home: string, reader: SourceReader): Promise<UploadResult> {
  const head = new Uint8Array(INLINE_LENGTH_MAX + 1);
  const length = await reader.fill(head);
  if (length <= INLINE_LENGTH_MAX) return finish(upload, await storeInline(upload, head.slice(0, length)));
  reader.unread(head);
  const { resumeKey } = upload.options;
  if (resumeKey === undefined) return finish(upload, await storePaged(upload, reader, undefined));
  const journal = await openFitting(upload, home, resumeKey);
  let isOver = false;
  try {
    const resumed = resume(upload, journal);
    const result = await finish(resumed, await storePaged(resumed, reader, journal));
    isOver = true;
    return result;
  } catch (error) {
    isOver = error instanceof PublishingFailed && error.isUndone;
    // Segments under way still write to the journal when they are acknowledged.
    upload.abort.abort(toStoreError(error, 'INTERNAL', 'put'));
    await upload.totals.settled();
    throw error;
  } finally {
    await journal.close(isOver);
  }
}

async function finish(upload: Upload, stored: StoredObject): Promise<UploadResult> {
  const { plan, context, totals, abort, meter } = upload;
  const { digest } = stored.manifest;
  meter.flush('finish', totals.lengthBytes);
  await publish(upload, stored);
  const { pieces } = totals;
  const complete = totals.settled().then(() => {
    abort.release();
    meter.flush('complete', totals.lengthBytes);
    return { confirmedPieces: totals.confirmed, missingPieces: pieces - totals.confirmed };
  });
  return {
    uri: formatUri(digest, context.networkId, plan.key),
    cid: cidToText(cidOfDigest(digest)),
    sizeBytes: totals.lengthBytes,
    code: plan.code,
    segments: totals.segments,
    confirmedPieces: totals.confirmed,
    totalPieces: pieces,
    resumedSegments: totals.resumed,
    complete,
  };
}

async function publish(upload: Upload, stored: StoredObject): Promise<void> {
  const { publication, context, epoch, plan, totals, abort, meter } = upload;
  meter.flush('chain', totals.lengthBytes);
  try {
    const uploaded = uploadedObject({ ...upload, signal: abort.signal }, stored, totals.lengthBytes);
    await publication.publish(uploaded, plan.key, abort.signal);
  } catch (error) {
    const failure = failureOf(error, abort.signal, 'put');
    abort.abort(failure);
    await totals.settled();
    const isUndone = publication.isUndone(failure);
    // What was taken over from an earlier put was sent to nodes that this one does not know of.
    const sentTo = totals.resumed > 0 ? new Set(epoch.members.map(({ node }) => node)) : plan.sentTo;
    if (isUndone) await withdrawObject(context, { ...plan, sentTo }, context.timing.withdrawMs);
    throw new PublishingFailed(failure, isUndone);
  }
}

/** Everything is stored, but it does not count. What had to be taken back has been. */
class PublishingFailed extends Error {
  readonly failure: StoreError;
  /** Nothing stands for the object, for certain. */
  readonly isUndone: boolean;

  constructor(failure: StoreError, isUndone: boolean) {
    super('publishing failed');
    this.failure = failure;
    this.isUndone = isUndone;
  }
}

function manifestOf(upload: Upload, content: Manifest['content']): Manifest {
  const { plan, context, totals } = upload;
  return {
    network: context.networkId,
    owner: plan.owner.publicKey as OwnerId,
    salt: plan.salt,
    lengthBytes: totals.lengthBytes,
    code: plan.code,
    segmentCells: plan.segmentCells,
    keyCheck: plan.key === undefined ? undefined : keyCheck(plan.key, plan.object),
    content,
  };
}

// ---- Inline objects ------------------------------------------------------------------------------------------

async function storeInline(upload: Upload, bytes: Uint8Array): Promise<StoredObject> {
  const { plan, context, totals, epoch, health, abort } = upload;
  totals.inline(bytes.length);
  let salt: Uint8Array = new Uint8Array(SALT_LENGTH);
  let stored = bytes;
  if (plan.key !== undefined) {
    salt = context.random.bytes(SALT_LENGTH);
    stored = new Uint8Array(bytes.length + TAG_LENGTH);
    sealCell(importCellKey(segmentKey(plan.key, plan.object, 0, salt)), 0, bytes, stored);
  }
  const manifest = encodeManifest(manifestOf(upload, { kind: 'inline', salt, bytes: stored }));
  const written = await storeRecord(
    context,
    epoch,
    plan,
    plan.code,
    manifest,
    health,
    abort.signal,
    upload.notice,
  );
  const copies = Math.min(manifestCopies(plan.code), epoch.members.length);
  const confirmed = written.confirmations.length;
  totals.count(confirmed, copies);
  totals.follow(written.finished.then((all) => totals.count(all - confirmed, 0)));
  return { manifest: written, pages: [], firstSegments: [] };
}

// ---- Segments --------------------------------------------------------------------------------------------------

async function storePaged(
  upload: Upload,
  reader: SourceReader,
  journal: Journal | undefined,
): Promise<StoredObject> {
  const { context, epoch, plan, health, abort, totals } = upload;
  const store = (record: Uint8Array): Promise<StoredRecord> =>
    storeRecord(context, epoch, plan, plan.code, record, health, abort.signal, upload.notice);
  const writer = createManifestWriter(
    (record) => ({ digest: context.sha256(record) as Digest, stored: store(record) }),
    plan.object,
    (work) => totals.follow(work),
    (error) => abort.abort(error),
  );
  const segments: SegmentUpload = {
    context,
    epoch,
    plan,
    health,
    signal: abort.signal,
    notice: upload.notice,
    onSent: (index, bytes) => totals.sent(index, bytes),
  };
  for (let index = 0; !(await reader.isAtEnd()); index++) {
    // A source that never waits would keep timers and signals from ever being heard.
    await context.clock.sleep(0, abort.signal);
    if (index >= MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX) throw tooLong();
    const known = journal?.segments.get(index);
    if (journal !== undefined && known !== undefined)
      writer.add(await skipSegment(upload, reader, journal, known));
    else writer.add(storeSegment(upload, segments, index, await fillSegment(upload, reader), journal));
  }
  const { content, firstSegments, stored } = await writer.end();
  upload.meter.flush('finish', totals.lengthBytes);
  const [root] = await Promise.all([store(encodeManifest(manifestOf(upload, content))), stored]);
  totals.follow(root.finished);
  return { manifest: root, pages: content.pages, firstSegments };
}

/** Sends a filled slot, and lets its last pieces complete behind. Resolves when it is acknowledged and journalled. */
async function storeSegment(
  upload: Upload,
  segments: SegmentUpload,
  index: number,
  slot: Slot,
  journal: Journal | undefined,
): Promise<SegmentRecord> {
  const { totals, plan } = upload;
  const { shape } = slot;
  totals.start(index, shape.plaintextLength, shape.n * shape.pieceLength);
  const work = (async () => {
    const { record, finished } = await sendSegment(segments, index, slot);
    const confirmed = record.confirmations.length;
    totals.count(confirmed, plan.code.n);
    totals.follow(finished.then((all) => totals.count(all - confirmed, 0)));
    // The last segment is often shorter than the others, and cheap to send again: only full ones are taken over.
    if (shape.plaintextLength === capacityOf(plan)) await journal?.add(index, record);
    totals.acknowledged(index);
    return record;
  })();
  totals.follow(work);
  return work;
}

/** A slot that holds the next bytes of the source, at most a segment: its shape fits them exactly. */
async function fillSegment(upload: Upload, reader: SourceReader): Promise<Slot> {
  const { context, plan, abort, totals, expectedLength } = upload;
  const capacity = capacityOf(plan);
  const left = (expectedLength ?? Number.POSITIVE_INFINITY) - totals.lengthBytes;
  const hold = (length: number): Promise<Slot> =>
    holdSlot(context, shapeOf(plan, length), plan.code.n, abort.signal);
  let slot = await hold(left > 0 ? Math.min(left, capacity) : capacity);
  try {
    let filled = await fillFrom(reader, slot, 0);
    if (filled === slot.shape.plaintextLength && filled < capacity && !(await reader.isAtEnd())) {
      slot = await moved(slot, filled, () => hold(capacity));
      filled = await fillFrom(reader, slot, filled);
    }
    if (filled < slot.shape.plaintextLength) slot = await moved(slot, filled, () => hold(filled));
    return slot;
  } catch (error) {
    slot.release();
    throw error;
  }
}

/** Fills the plaintext from `offset` on; returns where it ends: sooner than the slot's only at the end of the source. */
async function fillFrom(reader: SourceReader, slot: Slot, offset: number): Promise<number> {
  let filled = offset;
  for (const part of slot.cells(offset, slot.shape.plaintextLength - offset)) {
    const length = await reader.fill(part);
    filled += length;
    if (length < part.length) break;
  }
  return filled;
}

/** The first `length` bytes in another slot. The old one is given back first: there may be room for one only. */
async function moved(slot: Slot, length: number, hold: () => Promise<Slot>): Promise<Slot> {
  const kept = new Uint8Array(length);
  copyCells(slot, 0, kept);
  slot.release();
  const next = await hold();
  let at = 0;
  for (const part of next.cells(0, length)) {
    part.set(kept.subarray(at, at + part.length));
    at += part.length;
  }
  return next;
}

function capacityOf(plan: PutPlan): number {
  return segmentCapacity(plan.segmentCells, plan.key !== undefined);
}

function shapeOf(plan: PutPlan, plaintextLength: number): SegmentShape {
  const shape = segmentShape({ ...plan.code, plaintextLength, isEncrypted: plan.key !== undefined });
  if (slotLayout(shape).length > CLIENT_CODER_MEMORY) throw unreadable(plan);
  return shape;
}

/** This client may have the memory, but the object would be of no use to others. */
function unreadable({ code, segmentCells }: PutPlan): StoreError {
  const mebibytes = Math.round((segmentCells * CELL_LENGTH) / 1024 ** 2);
  return new StoreError(
    'INVALID_ARGUMENT',
    `a client with default memory could not read segments of ${mebibytes} MiB in ${code.n} pieces at k = ${code.k}`,
    { next: 'Choose smaller segments or fewer pieces.' },
  );
}

function tooLong(): StoreError {
  return new StoreError('INVALID_ARGUMENT', 'the source has more segments than an object can have', {
    next: 'Choose larger segments.',
  });
}

// ---- Resuming --------------------------------------------------------------------------------------------------

function journalHeader({ plan, context }: Upload): Journal['header'] {
  return {
    network: context.networkId,
    owner: plan.owner.publicKey as OwnerId,
    objectSalt: plan.salt,
    key: plan.key,
    code: plan.code,
    segmentCells: plan.segmentCells,
    createdAtMs: context.clock.now(),
  };
}

/**
 * A new one where nodes may be about to take away what the interrupted upload has left, or where it may have come onto the chain: another manifest of
 * the same object would be refused there.
 */
async function openFitting(upload: Upload, home: string, resumeKey: string): Promise<Journal> {
  const journal = await openJournal(home, resumeKey, journalHeader(upload));
  if (journal.segments.size === 0) return journal;
  const { network, owner, objectSalt, createdAtMs } = journal.header;
  let isOver = upload.context.clock.now() - createdAtMs > registerWithinMs(upload.epoch);
  try {
    isOver ||= await upload.publication.isTaken(objectIdOf(network, owner, objectSalt), upload.abort.signal);
  } catch (error) {
    await journal.close(false);
    throw error;
  }
  if (!isOver) return journal;
  journal.discard();
  await journal.close(true);
  return openJournal(home, resumeKey, journalHeader(upload));
}

/** The upload under the name and key of the interrupted one, where there is one. */
function resume(upload: Upload, { header, segments }: Journal): Upload {
  if (segments.size === 0) return upload;
  let next = 0;
  while (segments.has(next)) next++;
  upload.options.onNotice?.({
    kind: 'resumed',
    segmentIndex: next,
    message: `an interrupted upload goes on: ${segments.size} of its segments are stored`,
  });
  const object = objectIdOf(header.network, header.owner, header.objectSalt);
  return { ...upload, plan: { ...upload.plan, salt: header.objectSalt, object, key: header.key } };
}

async function skipSegment(
  upload: Upload,
  reader: SourceReader,
  journal: Journal,
  record: SegmentRecord,
): Promise<SegmentRecord> {
  const { plan, totals } = upload;
  const capacity = capacityOf(plan);
  const skipped = await reader.skip(capacity);
  if (skipped < capacity) {
    journal.discard();
    throw new StoreError('INVALID_ARGUMENT', 'the source is shorter than when its upload was interrupted', {
      next: 'Put it again: it starts afresh.',
    });
  }
  totals.skipped(capacity, record.confirmations.length, plan.code.n);
  return record;
}
