// What survives of an upload when the client dies: the object's key and salt, and every segment that reached its
// quorum. A later put under the same resume key goes on from there, without sending those segments again. A new segment is always
// encoded under a new salt, so even a source that changed never meets a used nonce.
//
// HOME/uploads/<digest of the resume key>/journal, mode 0600, in a folder locked by the process that uses it:
//
//     frame = length u32 | canonical record | first 8 bytes of SHA-256 of the record
//
// The first frame is the header, the others are segments. Frames are appended and synced one by one; a torn tail, and
// whatever follows it, is cut off. When the put has succeeded the file is emptied, durably, before anybody learns the
// URI: a journal that came back after a power cut would give the next put the same object id. Then the folder goes.
// Journals of uploads that nobody went on with go after a week, and their content keys with them.

import { join } from 'node:path';
import { z } from 'zod';
import { concat, equal, toHex, toUtf8, uint32 } from '../base/bytes.ts';
import { bytesOf, decodeCanonical, digestOf, encode, listOf, uint } from '../base/codec.ts';
import { toStoreError } from '../base/errors.ts';
import type { ContentKey, NetworkId, NodeId, OwnerId, PieceRoot, Signature } from '../base/ids.ts';
import { CODE_PIECES_MAX, MANIFEST_PAGES_MAX, PAGE_SEGMENTS_MAX, SEGMENT_CELLS_MAX } from '../base/limits.ts';
import type { Code } from '../replication/code.ts';
import type { SegmentRecord } from '../replication/manifest.ts';
import { SALT_LENGTH } from '../replication/object.ts';
import { nativeSha256 } from '../runtime/crypto.ts';
import { type Files, type OpenFile, readWhole, systemFiles } from '../runtime/files.ts';
import { type FolderLock, lockFolder } from '../runtime/folder-lock.ts';
import { uploadsFolder } from './home.ts';

/** What an interrupted upload must share with the put that takes it over. */
export interface JournalHeader {
  readonly network: NetworkId;
  readonly owner: OwnerId;
  readonly objectSalt: Uint8Array;
  /** Undefined for a public object. */
  readonly key: ContentKey | undefined;
  readonly code: Code;
  readonly segmentCells: number;
  readonly createdAtMs: number;
}

export interface Journal {
  /** Of the interrupted upload, or the one given. */
  readonly header: JournalHeader;
  /** Complete segments of an interrupted upload. */
  readonly segments: ReadonlyMap<number, SegmentRecord>;
  /** Durable when it resolves. */
  add(index: number, segment: SegmentRecord): Promise<void>;
  /** Makes `close` remove it: what it says is of no use to anybody. */
  discard(): void;
  /** Ends the use of the journal; it is removed when the upload is over, else kept for the next put. Throws DISK when it cannot be removed. */
  close(isOver: boolean): Promise<void>;
}

/** An upload interrupted longer ago starts again: holders may have changed too much. */
const AGE_MAX_MS = 7 * 24 * 3600 * 1000;
/** A journal of a million segments at 3 of 7; a longer one is not read. */
const JOURNAL_LENGTH_MAX = 1024 * 1024 * 1024;
const FRAME_LENGTH_MAX = 64 * 1024;
const CHECKSUM_LENGTH = 8;
const JOURNAL_NAME = 'journal';
/** A folder on its way out has this after its name. */
const ASIDE = '.over';
/** Folders looked at by one put: a home has a few, and the next put goes on. */
const SWEPT_MAX = 64;

const headerSchema = z
  .tuple([
    z.literal('holdfast-upload'),
    digestOf<NetworkId>(),
    digestOf<OwnerId>(),
    bytesOf(SALT_LENGTH),
    z.union([digestOf<ContentKey>(), z.null()]),
    z.tuple([uint(CODE_PIECES_MAX), uint(CODE_PIECES_MAX)]),
    uint(SEGMENT_CELLS_MAX),
    uint(),
  ])
  .transform(
    ([, network, owner, objectSalt, key, [k, n], segmentCells, createdAtMs]): JournalHeader => ({
      network,
      owner,
      objectSalt,
      key: key ?? undefined,
      code: { k, n },
      segmentCells,
      createdAtMs,
    }),
  );

const segmentSchema = z
  .tuple([
    uint(MANIFEST_PAGES_MAX * PAGE_SEGMENTS_MAX),
    bytesOf(SALT_LENGTH),
    listOf(digestOf<PieceRoot>(), CODE_PIECES_MAX),
    listOf(digestOf<NodeId>(), CODE_PIECES_MAX),
    listOf(z.tuple([uint(CODE_PIECES_MAX), bytesOf(64)]), CODE_PIECES_MAX),
  ])
  .transform(([index, salt, roots, holders, confirmations]): readonly [number, SegmentRecord] => [
    index,
    {
      salt,
      roots,
      holders,
      confirmations: confirmations.map(([pieceIndex, signature]) => ({
        pieceIndex,
        signature: signature as Signature,
      })),
    },
  ]);

/**
 * The journal of the upload that `resumeKey` names: the interrupted one when it fits `fresh`, else a new one. Throws
 * LOCKED when another put uses it, DISK.
 */
export async function openJournal(
  home: string,
  resumeKey: string,
  fresh: JournalHeader,
  files: Files = systemFiles,
): Promise<Journal> {
  const folder = join(uploadsFolder(home), toHex(nativeSha256(toUtf8(resumeKey))).slice(0, 32));
  const path = join(folder, JOURNAL_NAME);
  let lock: FolderLock | undefined;
  await sweepJournals(home, folder, fresh.createdAtMs, files);
  try {
    await files.makeDirectory(folder);
    lock = await lockFolder(folder, { files });
    const found = await readJournal(path, files);
    if (found !== undefined && fits(found.header, fresh)) {
      const file = await files.open(path, 'write');
      await file.truncate(found.length);
      return journalOn(file, found, { folder, path, files, lock });
    }
    await files.remove(path).catch(() => undefined);
    const file = await files.open(path, 'create');
    const first = frameOf(headerRecord(fresh));
    try {
      await file.write([first], 0);
      await file.sync();
      await files.syncDirectory(folder);
    } catch (error) {
      await file.close();
      throw error;
    }
    return journalOn(
      file,
      { header: fresh, segments: new Map(), length: first.length },
      { folder, path, files, lock },
    );
  } catch (error) {
    await lock?.release();
    throw toStoreError(error, 'DISK', `cannot keep the state of this upload in ${folder}`);
  }
}

interface Contents {
  readonly header: JournalHeader;
  readonly segments: Map<number, SegmentRecord>;
  /** Bytes of whole frames. */
  readonly length: number;
}

interface Place {
  readonly folder: string;
  readonly path: string;
  readonly files: Files;
  readonly lock: FolderLock;
}

function journalOn(file: OpenFile, { header, segments, length }: Contents, place: Place): Journal {
  let end = length;
  let isDiscarded = false;
  let last: Promise<void> = Promise.resolve();
  const append = async (frame: Uint8Array): Promise<void> => {
    try {
      await file.write([frame], end);
      await file.sync();
      end += frame.length;
    } catch (error) {
      throw toStoreError(error, 'DISK', `cannot write ${place.path}`);
    }
  };
  return {
    header,
    segments,
    add: (index, segment) => {
      const frame = frameOf(segmentRecord(index, segment));
      last = last.then(() => append(frame));
      return last;
    },
    discard: () => {
      isDiscarded = true;
    },
    close: async (isOver) => {
      await last.catch(() => undefined);
      try {
        if (isOver || isDiscarded) await destroy(file, place);
      } finally {
        await file.close().catch(() => undefined);
        await place.lock.release();
      }
    },
  };
}

/** Once this has resolved, no power cut brings the journal back. */
async function destroy(file: OpenFile, { folder, path, files }: Place): Promise<void> {
  try {
    await file.truncate(0);
    await file.sync();
  } catch (error) {
    throw toStoreError(error, 'DISK', `cannot remove ${path}`);
  }
  // What is left is empty. It is moved away first, so that a put that comes now finds either all of it or nothing.
  const aside = `${folder}${ASIDE}`;
  await files.rename(folder, aside).catch(() => undefined);
  await files.removeTree(aside).catch(() => undefined);
}

/** Destroys journals of uploads that nobody went on with, and what a crash left of finished ones. Never rejects. */
async function sweepJournals(home: string, own: string, nowMs: number, files: Files): Promise<void> {
  const names = await files.list(uploadsFolder(home)).catch(() => []);
  for (const name of names.slice(0, SWEPT_MAX)) {
    const folder = join(uploadsFolder(home), name);
    if (name.endsWith(ASIDE)) await files.removeTree(folder).catch(() => undefined);
    else if (folder !== own) await sweepJournal(folder, nowMs, files).catch(() => undefined);
  }
}

async function sweepJournal(folder: string, nowMs: number, files: Files): Promise<void> {
  const path = join(folder, JOURNAL_NAME);
  const file = await files.open(path, 'write');
  let lock: FolderLock | undefined;
  try {
    const head = new Uint8Array(FRAME_LENGTH_MAX);
    const record = recordAt(head.subarray(0, await file.read(head, 0)), 0);
    const createdAtMs = record === undefined ? Number.NEGATIVE_INFINITY : headerOf(record).createdAtMs;
    if (nowMs - createdAtMs < AGE_MAX_MS) return;
    lock = await lockFolder(folder, { files });
    await destroy(file, { folder, path, files, lock });
  } finally {
    await file.close();
    await lock?.release();
  }
}

/** What can be read of a journal, up to the first frame that is not whole; undefined without a header. */
async function readJournal(path: string, files: Files): Promise<Contents | undefined> {
  const bytes = await readWhole(path, JOURNAL_LENGTH_MAX, files);
  if (bytes === undefined) return undefined;
  const segments = new Map<number, SegmentRecord>();
  let header: JournalHeader | undefined;
  let length = 0;
  for (;;) {
    const record = recordAt(bytes, length);
    if (record === undefined) break;
    try {
      if (header === undefined) header = headerOf(record);
      else {
        const [index, segment] = decodeCanonical(segmentSchema, record, FRAME_LENGTH_MAX, 'journal');
        segments.set(index, segment);
      }
    } catch {
      break;
    }
    length += 4 + record.length + CHECKSUM_LENGTH;
  }
  return header === undefined ? undefined : { header, segments, length };
}

function headerOf(record: Uint8Array): JournalHeader {
  return decodeCanonical(headerSchema, record, FRAME_LENGTH_MAX, 'journal');
}

function recordAt(bytes: Uint8Array, at: number): Uint8Array | undefined {
  if (at + 4 > bytes.length) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
  const end = at + 4 + length;
  if (length > FRAME_LENGTH_MAX || end + CHECKSUM_LENGTH > bytes.length) return undefined;
  const record = bytes.slice(at + 4, end);
  return equal(checksumOf(record), bytes.subarray(end, end + CHECKSUM_LENGTH)) ? record : undefined;
}

function fits(found: JournalHeader, fresh: JournalHeader): boolean {
  return (
    equal(found.network, fresh.network) &&
    equal(found.owner, fresh.owner) &&
    (found.key === undefined) === (fresh.key === undefined) &&
    found.code.k === fresh.code.k &&
    found.code.n === fresh.code.n &&
    found.segmentCells === fresh.segmentCells &&
    fresh.createdAtMs - found.createdAtMs < AGE_MAX_MS
  );
}

function headerRecord(header: JournalHeader): Uint8Array {
  return encode([
    'holdfast-upload',
    header.network,
    header.owner,
    header.objectSalt,
    header.key ?? null,
    [header.code.k, header.code.n],
    header.segmentCells,
    header.createdAtMs,
  ]);
}

function segmentRecord(index: number, segment: SegmentRecord): Uint8Array {
  return encode([
    index,
    segment.salt,
    segment.roots,
    segment.holders,
    segment.confirmations.map(({ pieceIndex, signature }) => [pieceIndex, signature]),
  ]);
}

function frameOf(record: Uint8Array): Uint8Array {
  return concat(uint32(record.length), record, checksumOf(record));
}

function checksumOf(record: Uint8Array): Uint8Array {
  return nativeSha256(record).subarray(0, CHECKSUM_LENGTH);
}
