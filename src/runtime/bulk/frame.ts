// The frames of the bulk lane, to the byte as docs/format-bulk.md says. Decoding is strict and touches fixed-length
// heads only: lengths are checked here against what a number can hold and by the caller against its bounds, before
// anything of that length is allocated.

import { concat, toUtf8 } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import { SERVICE_NAME_LENGTH_MAX } from '../../base/limits.ts';

export const HELLO = 1;
export const REQUEST = 2;
export const REPLY = 3;
export const REFUSAL = 4;

/** type u8 | name length u8 | header length u32 | body length u64 */
export const REQUEST_PREFIX_LENGTH = 14;
/** type u8 | header length u32 | body length u64; the same for a refusal, whose body is empty. */
export const ANSWER_PREFIX_LENGTH = 13;
/** type u8 | magic 4 | version u8 | has proof u8 | network id 32 | proof 32 */
export const HELLO_LENGTH = 71;

const MAGIC = toUtf8('HFBL');
const VERSION = 1;
const PROOF_LENGTH = 32;

export interface RequestPrefix {
  readonly nameLength: number;
  readonly headerLength: number;
  readonly bodyLength: number;
}

export interface AnswerPrefix {
  readonly type: typeof REPLY | typeof REFUSAL;
  readonly headerLength: number;
  readonly bodyLength: number;
}

export interface Hello {
  readonly network: Uint8Array;
  /** Present when the sender knows the network's pre-shared key. */
  readonly proof: Uint8Array | undefined;
}

/** Prefix, name and header of a request; the body follows. */
export function encodeRequest(name: string, header: Uint8Array, bodyLength: number): Uint8Array {
  const nameBytes = toUtf8(name);
  const prefix = new Uint8Array(REQUEST_PREFIX_LENGTH);
  prefix[0] = REQUEST;
  prefix[1] = nameBytes.length;
  writeLengths(prefix, 2, header.length, bodyLength);
  return concat(prefix, nameBytes, header);
}

/** Prefix and header of a reply or refusal; the body follows. */
export function encodeAnswer(type: AnswerPrefix['type'], header: Uint8Array, bodyLength: number): Uint8Array {
  const prefix = new Uint8Array(ANSWER_PREFIX_LENGTH);
  prefix[0] = type;
  writeLengths(prefix, 1, header.length, bodyLength);
  return concat(prefix, header);
}

export function encodeHello(hello: Hello): Uint8Array {
  const { network, proof } = hello;
  const fixed = new Uint8Array([HELLO, ...MAGIC, VERSION, proof === undefined ? 0 : 1]);
  return concat(fixed, network, proof ?? new Uint8Array(PROOF_LENGTH));
}

/** Throws PROTOCOL. */
export function decodeRequestPrefix(bytes: Uint8Array): RequestPrefix {
  if (bytes[0] !== REQUEST)
    throw new StoreError('PROTOCOL', `a frame of type ${bytes[0]} where a request belongs`);
  const nameLength = bytes[1]!;
  if (nameLength === 0 || nameLength > SERVICE_NAME_LENGTH_MAX) {
    throw new StoreError('PROTOCOL', `a service name of ${nameLength} bytes`);
  }
  return { nameLength, ...readLengths(bytes, 2) };
}

/** Throws PROTOCOL. */
export function decodeAnswerPrefix(bytes: Uint8Array): AnswerPrefix {
  const type = bytes[0];
  if (type !== REPLY && type !== REFUSAL) {
    throw new StoreError('PROTOCOL', `a frame of type ${type} where an answer belongs`);
  }
  const lengths = readLengths(bytes, 1);
  if (type === REFUSAL && lengths.bodyLength !== 0) throw new StoreError('PROTOCOL', 'a refusal with a body');
  return { type, ...lengths };
}

/** Throws PROTOCOL, or UNSUPPORTED for another version. */
export function decodeHello(bytes: Uint8Array): Hello {
  const isOurs = bytes[0] === HELLO && MAGIC.every((byte, index) => bytes[1 + index] === byte);
  if (!isOurs || bytes.length !== HELLO_LENGTH)
    throw new StoreError('PROTOCOL', 'this is not a hello of the bulk lane');
  if (bytes[5] !== VERSION)
    throw new StoreError('UNSUPPORTED', `version ${bytes[5]} of the bulk lane; ${VERSION} is spoken here`);
  const proof = bytes.slice(HELLO_LENGTH - PROOF_LENGTH);
  const hasProof = bytes[6] === 1;
  const isEmpty = proof.every((byte) => byte === 0);
  if (bytes[6]! > 1 || (!hasProof && !isEmpty))
    throw new StoreError('PROTOCOL', 'a hello with a proof it does not announce');
  return { network: bytes.slice(7, HELLO_LENGTH - PROOF_LENGTH), proof: hasProof ? proof : undefined };
}

function writeLengths(target: Uint8Array, offset: number, headerLength: number, bodyLength: number): void {
  const view = new DataView(target.buffer, target.byteOffset);
  view.setUint32(offset, headerLength);
  view.setBigUint64(offset + 4, BigInt(bodyLength));
}

function readLengths(bytes: Uint8Array, offset: number): { headerLength: number; bodyLength: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bodyLength = view.getBigUint64(offset + 4);
  if (bodyLength > BigInt(Number.MAX_SAFE_INTEGER))
    throw new StoreError('PROTOCOL', `a body of ${bodyLength} bytes`);
  return { headerLength: view.getUint32(offset), bodyLength: Number(bodyLength) };
}
