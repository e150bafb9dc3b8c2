// The bytes of a log file: a header, then records without gaps. docs/format-disk.md has the tables; here is the only
// code that reads or writes them. All integers are big-endian.
//
//   record = head (fixed fields, key, checksum per payload block, checksum of the head), meta, payload
//
// A record proves itself: it starts with the folder's marker, names network, node, file and its own offset, and its
// head, its meta and each 64 KiB block of its payload have a CRC32. The marker is 128 random bits that never leave
// the disk, and the place is part of the head: so no payload, not even a copy of a log file, can hold bytes that a
// search for the next record would take for one.

import { crc32 } from 'node:zlib';
import { equal } from '../../base/bytes.ts';
import {
  ENTRY_KEY_LENGTH_MAX,
  ENTRY_META_LENGTH_MAX,
  LOG_BLOCK_LENGTH,
  PIECE_LENGTH_MAX,
} from '../../base/limits.ts';

/** Whose folder it is, and the marker that starts its records. */
export interface Identity {
  readonly network: Uint8Array;
  readonly node: Uint8Array;
  readonly marker: Uint8Array;
}

/** `remove` says that older records of its key are dead. */
type RecordKind = 'put' | 'remove';

export interface RecordHead {
  readonly kind: RecordKind;
  readonly key: Uint8Array;
  readonly metaLength: number;
  readonly payloadLength: number;
  /** Where the record stands. */
  readonly file: number;
  readonly offset: number;
  /** Where the batch it was written with starts: everything before it in this file was synced by then. */
  readonly batchOffset: number;
  /** Of a `remove`: no file with a larger number holds an older record of the key. 0 in a `put`. */
  readonly horizon: number;
  readonly metaChecksum: number;
  readonly blockChecksums: readonly number[];
}

export const MARKER_LENGTH = 16;
export const FILE_HEADER_LENGTH = 128;
const FIXED_HEAD_LENGTH = 120;
const CHECKSUM_LENGTH = 4;
const FORMAT = 1;
const FILE_MAGIC = new TextEncoder().encode('holdfast log\n\0\0\0');
const KINDS: readonly RecordKind[] = ['put', 'remove'];
/** Longest head: about 4.3 KiB, so one small read has it whole. */
export const HEAD_LENGTH_MAX: number =
  FIXED_HEAD_LENGTH + ENTRY_KEY_LENGTH_MAX + CHECKSUM_LENGTH * (blockCount(PIECE_LENGTH_MAX) + 1);

/** Blocks of a payload; the last one may be short. */
function blockCount(payloadLength: number): number {
  return Math.ceil(payloadLength / LOG_BLOCK_LENGTH);
}

export function headLength(keyLength: number, payloadLength: number): number {
  return FIXED_HEAD_LENGTH + keyLength + CHECKSUM_LENGTH * (blockCount(payloadLength) + 1);
}

/** Bytes of the whole record. */
export function recordLength(head: RecordHead): number {
  return headLength(head.key.length, head.payloadLength) + head.metaLength + head.payloadLength;
}

/** CRC32 of each block of a payload. */
export function blockChecksums(payload: Uint8Array): number[] {
  const checksums: number[] = [];
  for (let at = 0; at < payload.length; at += LOG_BLOCK_LENGTH) {
    checksums.push(crc32(payload.subarray(at, at + LOG_BLOCK_LENGTH)));
  }
  return checksums;
}

export function encodeHead(head: RecordHead, identity: Identity): Uint8Array {
  const length = headLength(head.key.length, head.payloadLength);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes.set(identity.marker, 0);
  view.setUint8(16, FORMAT);
  view.setUint8(17, KINDS.indexOf(head.kind) + 1);
  view.setUint16(18, head.key.length);
  view.setUint32(20, head.metaLength);
  view.setUint32(24, head.payloadLength);
  view.setUint32(28, head.file);
  view.setBigUint64(32, BigInt(head.offset));
  view.setBigUint64(40, BigInt(head.batchOffset));
  bytes.set(identity.network, 48);
  bytes.set(identity.node, 80);
  view.setUint32(112, head.horizon);
  view.setUint32(116, head.metaChecksum);
  bytes.set(head.key, FIXED_HEAD_LENGTH);
  let at = FIXED_HEAD_LENGTH + head.key.length;
  for (const checksum of head.blockChecksums) {
    view.setUint32(at, checksum);
    at += CHECKSUM_LENGTH;
  }
  view.setUint32(at, crc32(bytes.subarray(0, at)));
  return bytes;
}

/**
 * The head that starts `bytes`, if it is one and stands at its place (`file`, `offset`). Undefined for anything else, and
 * when `bytes` end within the head: HEAD_LENGTH_MAX bytes, or all up to the end of the file, are always enough.
 */
export function decodeHead(
  bytes: Uint8Array,
  place: { readonly file: number; readonly offset: number },
  identity: Identity,
): RecordHead | undefined {
  if (bytes.length < FIXED_HEAD_LENGTH) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const keyLength = view.getUint16(18);
  const metaLength = view.getUint32(20);
  const payloadLength = view.getUint32(24);
  if (keyLength === 0 || keyLength > ENTRY_KEY_LENGTH_MAX) return undefined;
  if (metaLength > ENTRY_META_LENGTH_MAX || payloadLength > PIECE_LENGTH_MAX) return undefined;
  const length = headLength(keyLength, payloadLength);
  const checksumAt = length - CHECKSUM_LENGTH;
  if (bytes.length < length) return undefined;
  if (view.getUint32(checksumAt) !== crc32(bytes.subarray(0, checksumAt))) return undefined;
  const kind = KINDS[view.getUint8(17) - 1];
  const isOurs =
    view.getUint8(16) === FORMAT &&
    equal(bytes.subarray(0, MARKER_LENGTH), identity.marker) &&
    equal(bytes.subarray(48, 80), identity.network) &&
    equal(bytes.subarray(80, 112), identity.node) &&
    view.getUint32(28) === place.file &&
    view.getBigUint64(32) === BigInt(place.offset);
  const batchOffset = Number(view.getBigUint64(40));
  if (!isOurs || kind === undefined || batchOffset > place.offset) return undefined;
  const keyEnd = FIXED_HEAD_LENGTH + keyLength;
  const checksums: number[] = [];
  for (let at = keyEnd; at < checksumAt; at += CHECKSUM_LENGTH) checksums.push(view.getUint32(at));
  return {
    kind,
    key: bytes.slice(FIXED_HEAD_LENGTH, keyEnd),
    metaLength,
    payloadLength,
    file: place.file,
    offset: place.offset,
    batchOffset,
    horizon: view.getUint32(112),
    metaChecksum: view.getUint32(116),
    blockChecksums: checksums,
  };
}

/** Start of every log file; with file number 0 the whole of the folder's identity file. */
export function encodeFileHeader(file: number, identity: Identity): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_LENGTH);
  const view = new DataView(bytes.buffer);
  bytes.set(FILE_MAGIC, 0);
  view.setUint32(16, FORMAT);
  view.setUint32(20, file);
  bytes.set(identity.marker, 24);
  bytes.set(identity.network, 40);
  bytes.set(identity.node, 72);
  const checksumAt = FILE_HEADER_LENGTH - CHECKSUM_LENGTH;
  view.setUint32(checksumAt, crc32(bytes.subarray(0, checksumAt)));
  return bytes;
}

export interface FileHeader {
  readonly format: number;
  readonly file: number;
  readonly identity: Identity;
}

/** Undefined when it is damaged or none. A known header of another format is returned: the caller refuses it. */
export function decodeFileHeader(bytes: Uint8Array): FileHeader | undefined {
  if (bytes.length < FILE_HEADER_LENGTH) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const checksumAt = FILE_HEADER_LENGTH - CHECKSUM_LENGTH;
  if (!equal(bytes.subarray(0, FILE_MAGIC.length), FILE_MAGIC)) return undefined;
  if (view.getUint32(checksumAt) !== crc32(bytes.subarray(0, checksumAt))) return undefined;
  return {
    format: view.getUint32(16),
    file: view.getUint32(20),
    identity: {
      marker: bytes.slice(24, 40),
      network: bytes.slice(40, 72),
      node: bytes.slice(72, 104),
    },
  };
}

export function isKnownFormat(header: FileHeader): boolean {
  return header.format === FORMAT;
}
