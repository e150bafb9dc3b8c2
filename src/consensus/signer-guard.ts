// May this be signed? A validator that signs two messages for one place, or one for a place behind another, is guilty of what it
// is punished for, whatever its engine, its disk or its operator did. So the key's last signature is on record before the
// signature leaves, and the next must stand at a later place or be the same again.
//
// Places are ordered by height, round, and proposal < prevote < precommit. The record holds the signed text whole, which says
// in a dispute what was signed. docs/format-validator.md has the tables.
//
// The file has two slots that take turns, so a torn write costs what has not left yet. Each slot stands twice, on pages of its
// own, so rot of one page costs nothing. What the reader cannot see is a file that was put back as it was before:
// `isForeign` does, as soon as the network or the log shows a later signature.

import { assert } from '../base/assert.ts';
import { equal, toHex, toUtf8 } from '../base/bytes.ts';
import { crc32 } from '../base/crc32.ts';
import { StoreError } from '../base/errors.ts';
import { DIGEST_LENGTH, type NetworkId, type NodeId } from '../base/ids.ts';
import { HEIGHT_MAX, ROUND_MAX, SIGN_BYTES_LENGTH_MAX } from '../base/limits.ts';
import { Reader, Writer } from './binary.ts';
import { signBytes } from './sign-bytes.ts';
import type { UnsignedMessage } from './types.ts';

/** A signature, made or asked for. */
export interface GuardRecord {
  readonly height: number;
  readonly round: number;
  readonly kind: UnsignedMessage['kind'];
  /** The text that is signed. */
  readonly signBytes: Uint8Array;
}

/**
 * `sign`: the place is a later one. `repeat`: it is what was signed last. `conflict`: it is the same place with another text.
 * `behind`: a later place has been signed.
 */
export type Judgement = 'sign' | 'repeat' | 'conflict' | 'behind';

const RANKS: Readonly<Record<GuardRecord['kind'], number>> = { proposal: 1, prevote: 2, precommit: 3 };
const KINDS: readonly GuardRecord['kind'][] = ['proposal', 'prevote', 'precommit'];

/** The record of a message that is to be signed or was heard. */
export function guardRecord(network: NetworkId, message: UnsignedMessage): GuardRecord {
  const { height, round, kind } = message;
  return { height, round, kind, signBytes: signBytes(network, message) };
}

/** Whether `request` may be signed after `last`; undefined stands for a key that never signed. */
export function judge(last: GuardRecord | undefined, request: GuardRecord): Judgement {
  const order = last === undefined ? 1 : comparePlaces(request, last);
  if (order !== 0) return order > 0 ? 'sign' : 'behind';
  return equal(request.signBytes, last!.signBytes) ? 'repeat' : 'conflict';
}

/** `heard` carries a good signature of this key: true when the guard of `last` cannot have let it out. */
export function isForeign(last: GuardRecord | undefined, heard: GuardRecord): boolean {
  const judgement = judge(last, heard);
  return judgement === 'sign' || judgement === 'conflict';
}

/**
 * Whether a replay of the log of `height`, which asked for the signatures `asked`, knows of the last one. If it does not, the log
 * has lost what this validator was bound to, and it must not vote at this height.
 */
export function isRemembered(
  last: GuardRecord | undefined,
  height: number,
  asked: readonly GuardRecord[],
): boolean {
  if (last === undefined || last.height < height) return true;
  return asked.some((request) => judge(last, request) === 'repeat');
}

/** Above 0 when `a` stands at a later place than `b`. */
function comparePlaces(a: GuardRecord, b: GuardRecord): number {
  return a.height - b.height || a.round - b.round || RANKS[a.kind] - RANKS[b.kind];
}

// ---- On disk -----------------------------------------------------------------------------------------------------

export interface GuardOwner {
  readonly network: NetworkId;
  readonly node: NodeId;
}

export interface GuardState {
  /** Undefined: the key never signed. */
  readonly last: GuardRecord | undefined;
  /** Number of the state; it stands in slot `sequence` mod 2. */
  readonly sequence: number;
}

/** A page of the disk: what tears one leaves the next alone. */
export const GUARD_PAGE_LENGTH = 4096;
export const GUARD_SLOT_LENGTH: number = 2 * GUARD_PAGE_LENGTH;
export const GUARD_FILE_LENGTH: number = 2 * GUARD_SLOT_LENGTH;
const MAGIC: Uint8Array = toUtf8('holdfast guard\n\0');
const FORMAT = 1;
const CHECKSUM_AT: number =
  MAGIC.length + 4 + DIGEST_LENGTH + DIGEST_LENGTH + 8 + 8 + 4 + 2 + 2 + SIGN_BYTES_LENGTH_MAX;
/** Bytes of a page that mean something; the rest is zero. */
export const GUARD_STATE_LENGTH: number = CHECKSUM_AT + 4;

/** Where the slot of a state begins in the file. */
export function guardSlotOffset(sequence: number): number {
  return (sequence % 2) * GUARD_SLOT_LENGTH;
}

/** A slot: the state on each of its two pages. */
export function encodeGuardSlot(state: GuardState, owner: GuardOwner): Uint8Array {
  const encoded = encodeState(state, owner);
  const slot = new Uint8Array(GUARD_SLOT_LENGTH);
  slot.set(encoded, 0);
  slot.set(encoded, GUARD_PAGE_LENGTH);
  return slot;
}

/** The file of a key that never signed. */
export function emptyGuardFile(owner: GuardOwner): Uint8Array {
  const file = new Uint8Array(GUARD_FILE_LENGTH);
  file.set(encodeGuardSlot({ last: undefined, sequence: 0 }, owner), 0);
  return file;
}

function encodeState({ last, sequence }: GuardState, owner: GuardOwner): Uint8Array {
  const text = last?.signBytes ?? new Uint8Array();
  assert(text.length <= SIGN_BYTES_LENGTH_MAX, 'a signed text is no longer than its bound');
  const writer = new Writer(GUARD_STATE_LENGTH);
  writer.raw(MAGIC);
  writer.uint32(FORMAT);
  writer.raw(owner.network);
  writer.raw(owner.node);
  writer.uint64(sequence);
  writer.uint64(last?.height ?? 0);
  writer.uint32(last?.round ?? 0);
  writer.uint16(last === undefined ? 0 : RANKS[last.kind]);
  writer.uint16(text.length);
  writer.raw(text);
  writer.raw(new Uint8Array(SIGN_BYTES_LENGTH_MAX - text.length));
  writer.uint32(0);
  const bytes = writer.finish();
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(CHECKSUM_AT, crc32(bytes, 0, 0, CHECKSUM_AT));
  return bytes;
}

/** The owner to expect; without a node, the guard may be that of any key. */
export type ExpectedOwner = Pick<GuardOwner, 'network'> & { readonly node: NodeId | undefined };

/**
 * The newest state that one of the pages holds. `name` is the file to name in errors: DAMAGED when there is none, WRONG_NETWORK,
 * INVALID_CONFIG (another validator's), UNSUPPORTED.
 */
export function readGuard(bytes: Uint8Array, owner: ExpectedOwner, name: string): GuardState {
  if (bytes.length !== GUARD_FILE_LENGTH) throw damaged(name, `it has ${bytes.length} bytes`);
  let newest: GuardState | undefined;
  for (let at = 0; at < bytes.length; at += GUARD_PAGE_LENGTH) {
    const state = readPage(bytes.subarray(at, at + GUARD_STATE_LENGTH), owner, name);
    if (state !== undefined && (newest === undefined || state.sequence > newest.sequence)) newest = state;
  }
  if (newest === undefined) throw damaged(name, 'no page of it is readable');
  return newest;
}

/** Undefined for a page that a crash tore, that rotted, or that was never written. */
function readPage(page: Uint8Array, owner: ExpectedOwner, name: string): GuardState | undefined {
  const reader = new Reader(page, name);
  if (!equal(reader.raw(MAGIC.length), MAGIC)) return undefined;
  const checksum = new DataView(page.buffer, page.byteOffset).getUint32(CHECKSUM_AT);
  if (checksum !== crc32(page, 0, 0, CHECKSUM_AT)) return undefined;
  const format = reader.uint32();
  if (format !== FORMAT) {
    throw new StoreError('UNSUPPORTED', `${name} has guard format ${format}`, {
      next: 'Use the version of the program that wrote it, or a newer one.',
    });
  }
  checkOwner(reader, owner, name);
  return readState(reader, name);
}

function checkOwner(reader: Reader, owner: ExpectedOwner, name: string): void {
  const network = reader.raw(DIGEST_LENGTH);
  const node = reader.raw(DIGEST_LENGTH);
  const next = 'Start the validator with the key and the guard file that belong together.';
  if (!equal(network, owner.network))
    throw new StoreError('WRONG_NETWORK', `${name} guards a key of network ${toHex(network)}`, { next });
  if (owner.node !== undefined && !equal(node, owner.node))
    throw new StoreError('INVALID_CONFIG', `${name} guards the key of validator ${toHex(node)}`, { next });
}

/** Behind a good checksum everything is as it was written, so what is out of form was written by a defect. */
function readState(reader: Reader, name: string): GuardState {
  const sequence = reader.uint64();
  const height = reader.uint64();
  const round = reader.uint32();
  const rank = reader.uint16();
  const textLength = reader.uint16();
  const text = reader.raw(SIGN_BYTES_LENGTH_MAX);
  const isInForm =
    height <= HEIGHT_MAX && round <= ROUND_MAX && rank <= KINDS.length && textLength <= text.length;
  if (!isInForm) throw damaged(name, 'a page of it is out of form');
  const kind = KINDS[rank - 1];
  if (kind === undefined) return { last: undefined, sequence };
  return { last: { height, round, kind, signBytes: text.slice(0, textLength) }, sequence };
}

function damaged(name: string, reason: string): StoreError {
  return new StoreError('DAMAGED', `guard file ${name} is damaged: ${reason}`, {
    next: 'Nobody knows any more what the key has signed: do not use it again. Register a new validator key.',
  });
}
