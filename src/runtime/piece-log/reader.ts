// Reads records through their index row and believes nothing: the head must be the one of that key at that place, the
// meta and every block that is touched must match their checksums. What does not match is `Damage`, for the log to
// quarantine; what the system refuses for other reasons is DISK.

import { crc32 } from 'node:zlib';
import { equal } from '../../base/bytes.ts';
import { toStoreError } from '../../base/errors.ts';
import { LOG_BLOCK_LENGTH } from '../../base/limits.ts';
import { type OpenFile, systemCode } from '../files.ts';
import type { Location } from './log-index.ts';
import type { LogFiles } from './log-files.ts';
import { decodeHead, type Identity, type RecordHead } from './record.ts';

/** The bytes on disk are not what was written. */
export class Damage extends Error {
  override readonly name = 'Damage';
}

/** What drives and file systems say about sectors that cannot be read or do not match the file system's checksum. */
const ROT_CODES: ReadonlySet<string> = new Set([
  'EIO',
  'EBADMSG',
  'EUCLEAN',
  'ENODATA',
  'EREMOTEIO',
  'EILSEQ',
]);
/** Bytes in front of the wanted blocks that are cheaper to read along than to seek over. */
const READ_ALONG_LENGTH = LOG_BLOCK_LENGTH;
/** Verification of a long record goes in steps of this, to bound memory. */
const VERIFY_STEP_LENGTH = 64 * LOG_BLOCK_LENGTH;

export class RecordReader {
  readonly #logFiles: LogFiles;
  readonly #identity: Identity;

  constructor(logFiles: LogFiles, identity: Identity) {
    this.#logFiles = logFiles;
    this.#identity = identity;
  }

  /** Checked meta of an entry. Throws Damage, DISK. */
  meta(row: Location, key: Uint8Array): Promise<Uint8Array> {
    return this.#use(row, async (open) => {
      const bytes = await readExactly(open, row.offset, row.headLength + row.metaLength);
      const meta = bytes.subarray(row.headLength);
      checkMeta(this.#checkHead(bytes, row, key), meta);
      return meta;
    });
  }

  /**
   * Checked payload bytes [offset, offset + length), in `into` when it is given; the range is within the payload. Throws
   * Damage, DISK.
   */
  range(
    row: Location,
    key: Uint8Array,
    offset: number,
    length: number,
    into?: Uint8Array,
  ): Promise<Uint8Array> {
    return this.#use(row, async (open) => {
      const { from, to } = blocksAround(offset, length, row.payloadLength);
      const isWhole = from === offset && to === offset + length;
      const target = isWhole ? into?.subarray(0, length) : undefined;
      const { head, blocks } = await this.#readBlocks(open, row, key, { from, to }, target);
      checkBlocks(head, blocks, from / LOG_BLOCK_LENGTH);
      const wanted = blocks.subarray(offset - from, offset - from + length);
      if (into === undefined || target !== undefined) return wanted;
      into.set(wanted);
      return into.subarray(0, length);
    });
  }

  /** The head, checked, and the payload's bytes [from, to), not checked, in `target` when it is given. */
  async #readBlocks(
    open: OpenFile,
    row: Location,
    key: Uint8Array,
    { from, to }: { readonly from: number; readonly to: number },
    target: Uint8Array | undefined,
  ): Promise<{ readonly head: RecordHead; readonly blocks: Uint8Array }> {
    const bodyAt = row.headLength + row.metaLength + from;
    if (target === undefined && bodyAt - row.headLength <= READ_ALONG_LENGTH) {
      const bytes = await readExactly(open, row.offset, bodyAt + (to - from));
      return { head: this.#checkHead(bytes, row, key), blocks: bytes.subarray(bodyAt) };
    }
    const blocks = target ?? new Uint8Array(to - from);
    const [headBytes] = await Promise.all([
      readExactly(open, row.offset, row.headLength),
      fill(open, row.offset + bodyAt, blocks),
    ]);
    return { head: this.#checkHead(headBytes, row, key), blocks };
  }

  /** Reads the whole record again. Throws Damage, DISK. */
  verify(row: Location, key: Uint8Array): Promise<void> {
    return this.#use(row, (open) => this.verifyIn(open, row, key));
  }

  /** `verify` in a file that is open already; raw errors of the system pass through. */
  async verifyIn(open: OpenFile, row: Location, key: Uint8Array): Promise<void> {
    const bytes = await readExactly(open, row.offset, row.headLength + row.metaLength);
    const head = this.#checkHead(bytes, row, key);
    checkMeta(head, bytes.subarray(row.headLength));
    const payloadAt = row.offset + bytes.length;
    for (let at = 0; at < row.payloadLength; at += VERIFY_STEP_LENGTH) {
      const length = Math.min(VERIFY_STEP_LENGTH, row.payloadLength - at);
      checkBlocks(head, await readExactly(open, payloadAt + at, length), at / LOG_BLOCK_LENGTH);
    }
  }

  #checkHead(bytes: Uint8Array, row: Location, key: Uint8Array): RecordHead {
    const head = decodeHead(bytes.subarray(0, row.headLength), row, this.#identity);
    if (head === undefined) throw new Damage('the head of the record does not match its checksum');
    const isTheOne =
      head.kind === 'put' &&
      equal(head.key, key) &&
      head.metaLength === row.metaLength &&
      head.payloadLength === row.payloadLength;
    if (!isTheOne) throw new Damage('the index points to another record');
    return head;
  }

  async #use<T>(row: Location, read: (open: OpenFile) => Promise<T>): Promise<T> {
    try {
      return await this.#logFiles.use(row.file, read);
    } catch (error) {
      throw asDamage(error) ?? toStoreError(error, 'DISK', `cannot read ${this.#logFiles.path(row.file)}`);
    }
  }
}

/** The error as Damage when it means that the bytes are gone or rotten. */
export function asDamage(error: unknown): Damage | undefined {
  if (error instanceof Damage) return error;
  const code = systemCode(error);
  if (code === 'ENOENT') return new Damage('the log file is missing');
  return code !== undefined && ROT_CODES.has(code)
    ? new Damage(`the disk cannot read it (${code})`)
    : undefined;
}

async function readExactly(open: OpenFile, position: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  await fill(open, position, bytes);
  return bytes;
}

async function fill(open: OpenFile, position: number, bytes: Uint8Array): Promise<void> {
  if ((await open.read(bytes, position)) < bytes.length)
    throw new Damage('the log file ends within the record');
}

/** The range widened to whole blocks. */
function blocksAround(offset: number, length: number, payloadLength: number): { from: number; to: number } {
  const from = offset - (offset % LOG_BLOCK_LENGTH);
  if (length === 0) return { from, to: from };
  const end = Math.ceil((offset + length) / LOG_BLOCK_LENGTH) * LOG_BLOCK_LENGTH;
  return { from, to: Math.min(end, payloadLength) };
}

function checkMeta(head: RecordHead, meta: Uint8Array): void {
  if (crc32(meta) !== head.metaChecksum) throw new Damage('the meta does not match its checksum');
}

function checkBlocks(head: RecordHead, blocks: Uint8Array, firstBlock: number): void {
  let block = firstBlock;
  for (let at = 0; at < blocks.length; at += LOG_BLOCK_LENGTH, block++) {
    if (crc32(blocks.subarray(at, at + LOG_BLOCK_LENGTH)) !== head.blockChecksums[block]) {
      throw new Damage(`block ${block} of the payload does not match its checksum`);
    }
  }
}
