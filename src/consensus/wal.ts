// The bytes of a write-ahead log: what a validator was told at one height, in order, so that feeding it again makes the state
// that it had. A header, then records without gaps; the first is `start-height`. docs/format-validator.md has the tables.
//
// What a crash may leave and what it may not. A log gets its name with its first record durable, so these two are always
// whole. Behind them a crash may lose anything that was not synced, in pieces and in any order. So each record says how much of
// the log was durable when it was written, and damage is
//   torn     unless an intact record says that the place was durable: the log is cut there, nobody relied on the rest;
//   damage   otherwise: votes rest on what is lost, and a validator that went on without it could break its lock.
// What no later record vouches for cannot be told apart. So a log may be short of what was synced last: the guard of the
// signer knows whether this validator spoke after it.
//
// The checksum of each record is salted with that of the header, which is random. So no record of another log, and no bytes
// that somebody chose, are taken for a record of this one.

import { assert } from '../base/assert.ts';
import { equal, toHex, toUtf8 } from '../base/bytes.ts';
import { crc32 } from '../base/crc32.ts';
import { StoreError } from '../base/errors.ts';
import { DIGEST_LENGTH, type NetworkId, type NodeId } from '../base/ids.ts';
import { WAL_LENGTH_MAX, WAL_PAYLOAD_LENGTH_MAX } from '../base/limits.ts';
import { Reader, Writer } from './binary.ts';
import { CONSENSUS_PROTOCOL } from './messages.ts';
import type { Input } from './types.ts';
import { decodeInput, heightOf, inputLength, writeInput } from './wal-input.ts';

/** Whose log it is. */
export interface WalOwner {
  readonly network: NetworkId;
  readonly node: NodeId;
}

export interface WalHeader extends WalOwner {
  readonly height: number;
  /** Random. */
  readonly salt: Uint8Array;
}

export const WAL_HEADER_LENGTH = 128;
export const WAL_SALT_LENGTH = 16;
const MAGIC: Uint8Array = toUtf8('holdfast wal\n\0\0\0');
const FORMAT = 1;
const HEADER_CHECKSUM_AT: number = WAL_HEADER_LENGTH - 4;
/** Checksum, payload length, sequence number, synced length. */
export const WAL_RECORD_HEAD_LENGTH = 16;

/** The start of a log. */
export function encodeWalHeader(header: WalHeader): Uint8Array {
  assert(header.salt.length === WAL_SALT_LENGTH, 'a salt has 16 bytes');
  const writer = new Writer(WAL_HEADER_LENGTH);
  writer.raw(MAGIC);
  writer.uint32(FORMAT);
  writer.uint32(CONSENSUS_PROTOCOL);
  writer.uint64(header.height);
  writer.raw(header.network);
  writer.raw(header.node);
  writer.raw(header.salt);
  writer.raw(new Uint8Array(HEADER_CHECKSUM_AT - 112));
  writer.uint32(0);
  const bytes = writer.finish();
  putUint32(bytes, HEADER_CHECKSUM_AT, crc32(bytes, 0, 0, HEADER_CHECKSUM_AT));
  return bytes;
}

/** Where records go on: what `readWal` found, or 0 and the header's own checksum in a new log. */
export interface WalPosition {
  readonly height: number;
  /** Checksum of the header. */
  readonly seed: number;
  /** Of the next record. */
  readonly sequence: number;
}

/** Position behind a header that was just made. */
export function walStart(header: Uint8Array, height: number): WalPosition {
  return { height, seed: getUint32(header, HEADER_CHECKSUM_AT), sequence: 0 };
}

/** One record at `position`; `syncedLength` bytes of the log are durable now. Asserts that the input belongs to this height. */
export function encodeWalRecord(input: Input, position: WalPosition, syncedLength: number): Uint8Array {
  assert(belongsTo(input, position), 'an input is logged at its height, and its start first');
  const payloadLength = inputLength(input);
  assert(payloadLength <= WAL_PAYLOAD_LENGTH_MAX, 'an input is no longer than its bound');
  const writer = new Writer(WAL_RECORD_HEAD_LENGTH + payloadLength);
  writer.uint32(0);
  writer.uint32(payloadLength);
  writer.uint32(position.sequence);
  writer.uint32(syncedLength);
  writeInput(writer, input);
  const bytes = writer.finish();
  putUint32(bytes, 0, crc32(bytes, position.seed, 4));
  return bytes;
}

/** The one start comes first, and nothing is of another height: what comes early is logged when its height has begun. */
function belongsTo(input: Input, { height, sequence }: WalPosition): boolean {
  return heightOf(input) === height && (input.kind === 'start-height') === (sequence === 0);
}

export interface WalContents {
  readonly height: number;
  /** From `start-height` on. */
  readonly inputs: readonly Input[];
  /** Bytes that count: behind them is what a crash tore. */
  readonly length: number;
  readonly isTorn: boolean;
  readonly position: WalPosition;
}

/**
 * What a log holds. `name` is the file to name in errors: DAMAGED (with the byte at which it is), WRONG_NETWORK, INVALID_CONFIG
 * (another validator's), UNSUPPORTED (another format or protocol).
 */
export function readWal(bytes: Uint8Array, owner: WalOwner, name: string): WalContents {
  if (bytes.length > WAL_LENGTH_MAX)
    throw damaged(name, WAL_LENGTH_MAX, `it has ${bytes.length} bytes, more than any log`);
  const header = readHeader(bytes, owner, name);
  const position = walStart(bytes, header.height);
  const inputs: Input[] = [];
  let at = WAL_HEADER_LENGTH;
  for (let record = intactAt(bytes, at, position.seed); record !== undefined; ) {
    inputs.push(checkedInput(bytes, record, { ...position, sequence: inputs.length }, name));
    at = record.end;
    record = intactAt(bytes, at, position.seed);
  }
  if (inputs.length === 0) throw damaged(name, at, 'the start of the height is not readable');
  checkTorn(bytes, at, position.seed, name);
  const isTorn = at < bytes.length;
  return {
    height: header.height,
    inputs,
    length: at,
    isTorn,
    position: { ...position, sequence: inputs.length },
  };
}

function readHeader(bytes: Uint8Array, owner: WalOwner, name: string): WalHeader {
  const isWhole =
    bytes.length >= WAL_HEADER_LENGTH &&
    equal(bytes.subarray(0, MAGIC.length), MAGIC) &&
    getUint32(bytes, HEADER_CHECKSUM_AT) === crc32(bytes, 0, 0, HEADER_CHECKSUM_AT);
  if (!isWhole) throw damaged(name, 0, 'the header is not that of a write-ahead log');
  const reader = new Reader(bytes.subarray(MAGIC.length, WAL_HEADER_LENGTH), name);
  const format = reader.uint32();
  const protocol = reader.uint32();
  if (format !== FORMAT || protocol !== CONSENSUS_PROTOCOL) {
    throw new StoreError('UNSUPPORTED', `${name} has log format ${format} of protocol ${protocol}`, {
      next: 'Start the validator with the version of the program that wrote it, until the height is decided.',
    });
  }
  const height = reader.uint64();
  const network = reader.raw(DIGEST_LENGTH) as NetworkId;
  const node = reader.raw(DIGEST_LENGTH) as NodeId;
  if (!equal(network, owner.network)) throw foreign(name, 'WRONG_NETWORK', 'network', network, owner.network);
  if (!equal(node, owner.node)) throw foreign(name, 'INVALID_CONFIG', 'validator', node, owner.node);
  return { height, network, node, salt: reader.raw(WAL_SALT_LENGTH) };
}

interface IntactRecord {
  readonly at: number;
  readonly end: number;
  readonly sequence: number;
  readonly syncedLength: number;
}

/** The record at `at`, if its checksum says that there is one. */
function intactAt(bytes: Uint8Array, at: number, seed: number): IntactRecord | undefined {
  if (at + WAL_RECORD_HEAD_LENGTH >= bytes.length) return undefined;
  const payloadLength = getUint32(bytes, at + 4);
  const end = at + WAL_RECORD_HEAD_LENGTH + payloadLength;
  if (payloadLength === 0 || payloadLength > WAL_PAYLOAD_LENGTH_MAX || end > bytes.length) return undefined;
  if (getUint32(bytes, at) !== crc32(bytes, seed, at + 4, end)) return undefined;
  return { at, end, sequence: getUint32(bytes, at + 8), syncedLength: getUint32(bytes, at + 12) };
}

/** The input of an intact record, which must be the one that belongs to this position. */
function checkedInput(bytes: Uint8Array, record: IntactRecord, position: WalPosition, name: string): Input {
  if (record.sequence !== position.sequence)
    throw damaged(name, record.at, `record ${record.sequence} stands where ${position.sequence} belongs`);
  let input: Input;
  try {
    input = decodeInput(bytes.subarray(record.at + WAL_RECORD_HEAD_LENGTH, record.end));
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw damaged(name, record.at, `record ${record.sequence} is none of ours (${error.message})`);
  }
  if (!belongsTo(input, position))
    throw damaged(
      name,
      record.at,
      `a ${input.kind} of height ${heightOf(input)} in the log of ${position.height}`,
    );
  return input;
}

/** Throws when an intact record behind `at`, where none stands, says that `at` was durable when it was written. */
function checkTorn(bytes: Uint8Array, at: number, seed: number, name: string): void {
  for (let from = at; from < bytes.length; ) {
    const record = intactAt(bytes, from, seed);
    if (record !== undefined && record.syncedLength > at)
      throw damaged(name, at, `record ${record.sequence} behind it was written when it was whole`);
    from = record?.end ?? from + 1;
  }
}

function damaged(name: string, offset: number, reason: string): StoreError {
  return new StoreError('DAMAGED', `${name} is damaged at byte ${offset}: ${reason}`, {
    next:
      'Do not delete it to go on: this validator might contradict its own votes. Keep it stopped until the others have ' +
      'decided this height, then let it catch up with an empty log.',
  });
}

function foreign(
  name: string,
  code: 'WRONG_NETWORK' | 'INVALID_CONFIG',
  what: string,
  theirs: Uint8Array,
  ours: Uint8Array,
): StoreError {
  const text = `${name} belongs to ${what} ${toHex(theirs)}, not to ${what} ${toHex(ours)}`;
  return new StoreError(code, text, { next: 'Start the validator with the data folder that belongs to it.' });
}

function getUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function putUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
