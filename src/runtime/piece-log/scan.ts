// Walks a log file record by record without an index. Where no record stands, it searches for the next one and
// reports what lies between as a gap; what a gap means (torn or damaged) is for the caller to say.

import type { OpenFile } from '../files.ts';
import { asDamage, type Damage } from './reader.ts';
import {
  decodeHead,
  HEAD_LENGTH_MAX,
  type Identity,
  MARKER_LENGTH,
  type RecordHead,
  recordLength,
} from './record.ts';

export type Scanned =
  | { readonly kind: 'record'; readonly head: RecordHead }
  | { readonly kind: 'gap'; readonly offset: number; readonly length: number };

const SEARCH_LENGTH = 1024 * 1024;
/** Grain at which unreadable parts of a disk are stepped over. */
const PAGE_LENGTH = 4096;

export interface ScanRange {
  readonly file: number;
  readonly from: number;
  /** End of the file. */
  readonly to: number;
}

/** Records and gaps of [from, to), in order and without overlap. Only heads are read and checked. */
export async function* scanFile(
  open: OpenFile,
  range: ScanRange,
  identity: Identity,
): AsyncGenerator<Scanned> {
  let at = range.from;
  while (at < range.to) {
    const head = await headAt(open, { ...range, from: at }, identity);
    if (head !== undefined) {
      yield { kind: 'record', head };
      at += recordLength(head);
      continue;
    }
    const next = await findRecord(open, { ...range, from: at + 1 }, identity);
    yield { kind: 'gap', offset: at, length: next - at };
    at = next;
  }
}

/** The head at `range.from`, if a whole record fits between it and the end of the file. */
async function headAt(open: OpenFile, range: ScanRange, identity: Identity): Promise<RecordHead | undefined> {
  const bytes = new Uint8Array(Math.min(HEAD_LENGTH_MAX, range.to - range.from));
  const count = await readThrough(open, bytes, range.from);
  const place = { file: range.file, offset: range.from };
  const head = decodeHead(bytes.subarray(0, count), place, identity);
  return head !== undefined && range.from + recordLength(head) <= range.to ? head : undefined;
}

/** Offset of the first whole record at or after `range.from`; `range.to` when there is none. */
async function findRecord(open: OpenFile, range: ScanRange, identity: Identity): Promise<number> {
  const chunk = Buffer.alloc(SEARCH_LENGTH);
  for (let at = range.from; at < range.to; at += SEARCH_LENGTH - MARKER_LENGTH + 1) {
    const count = await readThrough(open, chunk.subarray(0, Math.min(SEARCH_LENGTH, range.to - at)), at);
    const bytes = chunk.subarray(0, count);
    for (let hit = bytes.indexOf(identity.marker); hit >= 0; hit = bytes.indexOf(identity.marker, hit + 1)) {
      if ((await headAt(open, { ...range, from: at + hit }, identity)) !== undefined) return at + hit;
    }
  }
  return range.to;
}

/** Reads with zeros in place of what the disk cannot read; `onHole` is told when there is such a place. */
export async function readThrough(
  open: OpenFile,
  into: Uint8Array,
  position: number,
  onHole: (damage: Damage) => void = () => undefined,
): Promise<number> {
  try {
    return await open.read(into, position);
  } catch (error) {
    if (asDamage(error) === undefined) throw error;
  }
  let count = 0;
  for (let at = 0; at < into.length; at += PAGE_LENGTH) {
    const page = into.subarray(at, at + PAGE_LENGTH);
    try {
      count += await open.read(page, position + at);
    } catch (error) {
      const damage = asDamage(error);
      if (damage === undefined) throw error;
      onHole(damage);
      page.fill(0);
      count += page.length;
    }
  }
  return count;
}
