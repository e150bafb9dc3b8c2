// From what a crash left to a log that can go on. The log files are the truth; index and counts follow from them.
//
// Why the index needs no sync. `put` confirms when its record is synced. The checkpoint names a position such that
// the rows of all records before it were flushed before the checkpoint itself was synced. A start after a crash
// applies every record from there on in order (last record of a key wins), so each row ends as the log says, whichever of the
// unsynced rows the crash kept. Rows only ever speak of synced records, so none is ahead of the log.
//
// What is torn and what is damaged. Every record says up to where its file was synced when it was written (its
// `batchOffset`). So bytes before such a position, before the checkpoint, in any file but the last, or behind an index row
// were once synced: where they do not check they are damaged, stay as they are and are reported. Only what comes after, the
// last batch of the last file, can be torn; it was not confirmed, or it is whole. Its end is cut back to the last whole record.
// Its whole records are written once more in place and synced, because after a crash or a failed sync the bytes that
// read well may be in memory only.

import { toHex } from '../../base/bytes.ts';
import { countRows } from './count.ts';
import { fileLength, type Files, type OpenFile } from '../files.ts';
import type { Checkpoint, Location, LogIndex } from './log-index.ts';
import { type LogFiles, logFileNumber } from './log-files.ts';
import { asDamage, Damage, type RecordReader } from './reader.ts';
import { FILE_HEADER_LENGTH, headLength, type Identity, type RecordHead, recordLength } from './record.ts';
import type { DamageList } from './report.ts';
import { scanFile, type Scanned } from './scan.ts';
import { type LogUsageCount, rowLength } from './usage.ts';
import type { LogEnd } from './writer.ts';

export interface RecoverContext {
  readonly files: Files;
  readonly logFiles: LogFiles;
  readonly identity: Identity;
  readonly reader: RecordReader;
  readonly index: LogIndex;
  readonly usage: LogUsageCount;
  /** The log files found, ascending. */
  readonly numbers: readonly number[];
}

export async function listLogFiles(folder: string, files: Files): Promise<number[]> {
  // What a process that died deleted must stay deleted before anything relies on it: a file that came back at the next
  // power cut would bring its entries along, although the records that removed them may be gone by then.
  await files.syncDirectory(folder);
  const numbers = (await files.list(folder)).map(logFileNumber).filter((number) => number !== undefined);
  return numbers.toSorted((a, b) => a - b);
}

export interface Recovered {
  readonly end: LogEnd;
  readonly recordsReplayed: number;
  readonly tornBytes: number;
}

/** Replays the log into the index from `checkpoint` (undefined: all of it, into an empty index) and counts usage. */
export async function recover(
  context: RecoverContext,
  checkpoint: Checkpoint | undefined,
  damage: DamageList,
): Promise<Recovered> {
  const replay = new Replay(context, checkpoint, damage);
  await replay.prepareFiles();
  const end = await replay.run();
  await countRows(context, damage);
  return { end, recordsReplayed: replay.recordsReplayed, tornBytes: replay.tornBytes };
}

/** What the last batch of a file, all that no record proves synced, consists of, in order. */
type Piece = Scanned & { isWhole?: boolean };

const CHANGES_MAX = 1000;
const MAKE_CERTAIN_LENGTH = 1024 * 1024;

class Replay {
  recordsReplayed = 0;
  tornBytes = 0;
  readonly #context: RecoverContext;
  readonly #checkpoint: Pick<Checkpoint, 'file' | 'offset'>;
  readonly #damage: DamageList;
  readonly #changes: Map<string, readonly [Uint8Array, Location | undefined]> = new Map();

  constructor(context: RecoverContext, checkpoint: Checkpoint | undefined, damage: DamageList) {
    this.#context = context;
    this.#checkpoint = checkpoint ?? { file: 0, offset: 0 };
    this.#damage = damage;
  }

  /** Lengths from the disk; tombstones up to the checkpoint from the table, the later ones are counted as they come. */
  async prepareFiles(): Promise<void> {
    const { files, logFiles, index, usage, numbers } = this.#context;
    const table = await index.fileTable();
    for (const number of numbers) {
      const length = await fileLength(logFiles.path(number), files);
      const isBefore = number <= this.#checkpoint.file;
      usage.setFile(number, {
        length,
        liveBytes: 0,
        tombstoneBytes: isBefore ? (table.get(number)?.tombstoneBytes ?? 0) : 0,
      });
    }
    for (const number of table.keys()) if (!usage.files.has(number)) usage.deleteFile(number);
  }

  async run(): Promise<LogEnd> {
    const numbers = await this.#dropUnfinishedFile();
    const last = numbers.at(-1);
    // Also when the newest files are gone: their numbers are not used again.
    if (last === undefined || last < this.#checkpoint.file) {
      return { file: this.#checkpoint.file, offset: 0, isSealed: true };
    }
    for (const number of numbers) {
      if (number >= this.#checkpoint.file && number !== last) await this.#replaySealed(number);
    }
    const end = await this.#replayLast(last);
    await this.#flush();
    return end;
  }

  /** A crash while a file was being created left it without a whole header, hence without a record. */
  async #dropUnfinishedFile(): Promise<readonly number[]> {
    const { files, logFiles, usage, numbers } = this.#context;
    const last = numbers.at(-1);
    if (last === undefined || usage.files.get(last)!.length > FILE_HEADER_LENGTH) return numbers;
    if (last <= this.#checkpoint.file) return numbers;
    await files.remove(logFiles.path(last));
    await files.syncDirectory(logFiles.folder);
    usage.deleteFile(last);
    return numbers.slice(0, -1);
  }

  #startIn(number: number): number {
    return number === this.#checkpoint.file
      ? Math.max(FILE_HEADER_LENGTH, this.#checkpoint.offset)
      : FILE_HEADER_LENGTH;
  }

  async #replaySealed(number: number): Promise<void> {
    const { logFiles, identity, usage } = this.#context;
    const range = { file: number, from: this.#startIn(number), to: usage.files.get(number)!.length };
    this.#reportMissingEnd(range);
    await logFiles.use(number, async (open) => {
      for await (const scanned of scanFile(open, range, identity)) {
        if (scanned.kind === 'gap') this.#reportGap(number, scanned);
        else await this.#applyRecord(scanned.head);
      }
    });
  }

  async #replayLast(number: number): Promise<LogEnd> {
    const { files, logFiles, usage } = this.#context;
    const range = { file: number, from: this.#startIn(number), to: usage.files.get(number)!.length };
    const isShort = this.#reportMissingEnd(range);
    const open = await files.open(logFiles.path(number), 'write');
    try {
      const lastBatch = await this.#replayProven(open, range);
      await this.#checkLastBatch(open, number, lastBatch);
      const { end, isSealed } = await this.#settleTail(number, lastBatch, Math.max(range.from, range.to));
      await this.#applyLastBatch(lastBatch);
      for (const piece of lastBatch) if (piece.isWhole === true) await makeCertain(open, piece);
      if (end < range.to) await open.truncate(end);
      await open.sync();
      usage.setLength(number, Math.min(end, range.to));
      return { file: number, offset: Math.min(end, range.to), isSealed: isSealed || isShort };
    } finally {
      await open.close();
    }
  }

  /** Applies everything that a later batch proves synced; returns the rest: the last batch. */
  async #replayProven(
    open: OpenFile,
    range: { readonly file: number; readonly from: number; readonly to: number },
  ): Promise<Piece[]> {
    let pending: Piece[] = [];
    for await (const scanned of scanFile(open, range, this.#context.identity)) {
      if (scanned.kind === 'record') {
        const isProven = (piece: Piece): boolean => offsetOf(piece) < scanned.head.batchOffset;
        for (const piece of pending) if (isProven(piece)) await this.#applyProven(range.file, piece);
        pending = pending.filter((piece) => !isProven(piece));
      }
      pending.push(scanned);
    }
    return pending;
  }

  async #applyProven(file: number, piece: Piece): Promise<void> {
    if (piece.kind === 'gap') this.#reportGap(file, piece);
    else await this.#applyRecord(piece.head);
  }

  /** Payloads of the last batch may be torn though their heads are whole. */
  async #checkLastBatch(open: OpenFile, file: number, pieces: readonly Piece[]): Promise<void> {
    for (const piece of pieces) {
      if (piece.kind === 'gap') continue;
      if (piece.head.kind === 'remove') {
        piece.isWhole = true;
        continue;
      }
      const row = rowOf(piece.head, file);
      piece.isWhole = await this.#context.reader.verifyIn(open, row, piece.head.key).then(
        () => true,
        (error: unknown) => {
          if (asDamage(error) === undefined) throw error;
          return false;
        },
      );
    }
  }

  /** Where the file is to end: after the last whole record, unless something behind it was synced once. */
  async #settleTail(
    file: number,
    pieces: Piece[],
    length: number,
  ): Promise<{ readonly end: number; readonly isSealed: boolean }> {
    const broken = pieces.filter((piece) => piece.isWhole !== true);
    if (broken.length === 0) return { end: length, isSealed: false };
    const promised = await this.#rowsWithin(file, broken);
    let isSealed = false;
    for (const piece of broken) {
      if (piece.kind === 'gap' && promised.some((offset) => isWithin(piece, offset))) {
        this.#reportGap(file, piece);
        isSealed = true;
      } else if (piece.kind === 'record' && promised.includes(piece.head.offset)) {
        // The row stays, and `countRows` leaves it: mark it, so that it is not served.
        const row = rowOf(piece.head, file);
        this.#change(piece.head.key, { ...row, isDamaged: true });
        this.#reportRow(piece.head.key, row, 'the payload does not match its checksums');
        isSealed = true;
      } else {
        this.tornBytes += lengthOf(piece);
      }
    }
    if (isSealed) return { end: length, isSealed };
    const lastWhole = pieces.findLastIndex((piece) => piece.isWhole === true);
    const first = pieces[lastWhole + 1];
    return { end: first === undefined ? length : offsetOf(first), isSealed };
  }

  /** Offsets of index rows that point into the broken places: they were written after a sync. */
  async #rowsWithin(file: number, pieces: readonly Piece[]): Promise<number[]> {
    const offsets: number[] = [];
    for await (const [, row] of this.#context.index.rows(new Uint8Array())) {
      if (row.file === file && pieces.some((piece) => isWithin(piece, row.offset))) offsets.push(row.offset);
    }
    return offsets;
  }

  async #applyLastBatch(pieces: readonly Piece[]): Promise<void> {
    for (const piece of pieces) {
      if (piece.kind === 'record' && piece.isWhole === true) await this.#applyRecord(piece.head);
    }
  }

  async #applyRecord(head: RecordHead): Promise<void> {
    this.recordsReplayed++;
    if (head.kind === 'remove') this.#context.usage.addTombstone(head.file, recordLength(head));
    this.#change(head.key, head.kind === 'put' ? rowOf(head, head.file) : undefined);
    if (this.#changes.size >= CHANGES_MAX) await this.#flush();
  }

  #change(key: Uint8Array, row: Location | undefined): void {
    this.#changes.set(toHex(key), [key, row]);
  }

  async #flush(): Promise<void> {
    if (this.#changes.size > 0) await this.#context.index.change([...this.#changes.values()]);
    this.#changes.clear();
  }

  #reportGap(file: number, gap: { readonly offset: number; readonly length: number }): void {
    this.#damage.add({ file, offset: gap.offset, length: gap.length, reason: 'no valid record stands here' });
  }

  #reportRow(key: Uint8Array, row: Location, reason: string): void {
    this.#damage.add({ file: row.file, offset: row.offset, length: rowLength(row), reason, key });
  }

  /** True when the file ends before the checkpoint, so that its end was lost. */
  #reportMissingEnd(range: { readonly file: number; readonly from: number; readonly to: number }): boolean {
    const missing = range.from - range.to;
    if (missing <= 0) return false;
    this.#damage.add({
      file: range.file,
      offset: range.to,
      length: missing,
      reason: 'the end of the file is missing',
    });
    return true;
  }
}

/** Writes a record as it reads, so that the sync that follows covers it. */
async function makeCertain(open: OpenFile, piece: Piece): Promise<void> {
  const to = offsetOf(piece) + lengthOf(piece);
  const chunk = new Uint8Array(Math.min(MAKE_CERTAIN_LENGTH, lengthOf(piece)));
  for (let at = offsetOf(piece); at < to; at += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, to - at));
    const count = await open.read(part, at);
    if (count < part.length) throw new Damage('the log file ends while it is recovered');
    await open.write([part], at);
  }
}

function rowOf(head: RecordHead, file: number): Location {
  return {
    file,
    offset: head.offset,
    headLength: headLength(head.key.length, head.payloadLength),
    metaLength: head.metaLength,
    payloadLength: head.payloadLength,
    isDamaged: false,
  };
}

function offsetOf(piece: Piece): number {
  return piece.kind === 'gap' ? piece.offset : piece.head.offset;
}

function lengthOf(piece: Piece): number {
  return piece.kind === 'gap' ? piece.length : recordLength(piece.head);
}

function isWithin(piece: Piece, offset: number): boolean {
  return offset >= offsetOf(piece) && offset < offsetOf(piece) + lengthOf(piece);
}
