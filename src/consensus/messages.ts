// Wire forms of what validators say: fixed fields in a fixed order, so that every message has one encoding and decoding is
// strict. `docs/format-consensus.md` has the layouts.
//
// Decoding checks form alone (`form.ts`), that nothing is missing and nothing stands behind the end; a count is checked
// before anything of that size is made. Who may say it, and whether the signatures are good, is left to `verify.ts`.

import { assert, unreachable } from '../base/assert.ts';
import { DIGEST_LENGTH, SIGNATURE_LENGTH, type Signature } from '../base/ids.ts';
import { CONSENSUS_MESSAGE_LENGTH_MAX, VALIDATORS_MAX } from '../base/limits.ts';
import { Reader, Writer } from './binary.ts';
import { formProblem } from './form.ts';
import {
  type BlockId,
  type CertificateSignature,
  type CommitCertificate,
  type Message,
  NO_ROUND,
  type PolkaCertificate,
  type Proposal,
  type RoundCertificate,
  type UnsignedMessage,
  type Vote,
  type VoteKind,
  type VoteValue,
} from './types.ts';

/** Changes with any rule of agreement or of its encoding; stands in sign bytes too, so no vote counts under other rules. */
export const CONSENSUS_PROTOCOL = 1;

/** First byte of each kind, also in sign bytes. */
export const KIND_TAGS: Readonly<Record<Message['kind'], number>> = {
  proposal: 1,
  prevote: 2,
  precommit: 3,
  'polka-certificate': 4,
  'commit-certificate': 5,
  'round-certificate': 6,
};
/** Nil is a tag of its own, never an id of zeros. */
const NIL_TAG = 0;
const BLOCK_TAG = 1;
/** How a certificate proves its signers: by a list of ed25519 signatures. Others may join it, such as one added-up signature. */
const SIGNATURE_LIST = 1;
const REASON_TAGS: Readonly<Record<RoundCertificate['reason'], number>> = { 'precommit-any': 1, skip: 2 };

const ROUND_LENGTH = 4;
const PLACE_LENGTH: number = 8 + ROUND_LENGTH;
const SIGNED_BY_LENGTH: number = 2 + SIGNATURE_LENGTH;

/** Protocol byte and message. Asserts that the message is in form. */
export function encodeMessage(message: Message): Uint8Array {
  const writer = new Writer(1 + messageLength(message));
  writer.uint8(CONSENSUS_PROTOCOL);
  writeMessage(writer, message);
  return writer.finish();
}

/** Throws INVALID_ENCODING unless `bytes` are what `encodeMessage` makes of some message in form. */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new Reader(bytes, 'consensus message');
  if (bytes.length > CONSENSUS_MESSAGE_LENGTH_MAX) throw reader.refusal(`it has ${bytes.length} bytes`);
  readProtocol(reader);
  const message = readMessage(reader);
  reader.end();
  return message;
}

export function readProtocol(reader: Reader): void {
  const protocol = reader.uint8();
  if (protocol !== CONSENSUS_PROTOCOL) throw reader.refusal(`protocol ${protocol} is unknown`);
}

// ---- Writing -----------------------------------------------------------------------------------------------------

/** Bytes that `writeMessage` writes. */
export function messageLength(message: Message): number {
  switch (message.kind) {
    case 'proposal':
    case 'prevote':
    case 'precommit':
      return 1 + 8 + statementLength(message);
    case 'polka-certificate':
      return 1 + PLACE_LENGTH + DIGEST_LENGTH + ROUND_LENGTH + signaturesLength(message.signatures);
    case 'commit-certificate':
      return 1 + PLACE_LENGTH + DIGEST_LENGTH + signaturesLength(message.signatures);
    case 'round-certificate': {
      const votesLength = message.votes.reduce((sum, vote) => sum + 1 + statementLength(vote), 0);
      return 1 + PLACE_LENGTH + 1 + 2 + votesLength;
    }
    default:
      return unreachable(message);
  }
}

/** For records that hold messages: without the protocol byte. */
export function writeMessage(writer: Writer, message: Message): void {
  const problem = formProblem(message);
  assert(problem === undefined, 'a message that is sent is in form');
  writer.uint8(KIND_TAGS[message.kind]);
  writer.uint64(message.height);
  switch (message.kind) {
    case 'proposal':
    case 'prevote':
    case 'precommit':
      writeStatement(writer, message);
      return;
    case 'polka-certificate':
      writer.uint32(message.round);
      writer.digest(message.blockId);
      writer.int32(message.validRound);
      writeSignatures(writer, message.signatures);
      return;
    case 'commit-certificate':
      writer.uint32(message.round);
      writer.digest(message.blockId);
      writeSignatures(writer, message.signatures);
      return;
    case 'round-certificate':
      writer.uint32(message.round);
      writeVotes(writer, message);
      return;
  }
}

/** What a proposal or vote consists of behind kind and height. */
function statementLength(message: Proposal | Vote): number {
  return ROUND_LENGTH + saidLength(message) + SIGNED_BY_LENGTH;
}

function writeStatement(writer: Writer, message: Proposal | Vote): void {
  writer.uint32(message.round);
  writeSaid(writer, message);
  writer.uint16(message.validator);
  writeSignature(writer, message.signature);
}

/** Value and valid round, as they stand in messages and in sign bytes. */
export function saidLength(message: UnsignedMessage): number {
  const valueLength = message.blockId === null ? 1 : 1 + DIGEST_LENGTH;
  return message.kind === 'precommit' ? valueLength : valueLength + ROUND_LENGTH;
}

export function writeSaid(writer: Writer, message: UnsignedMessage): void {
  writer.uint8(message.blockId === null ? NIL_TAG : BLOCK_TAG);
  if (message.blockId !== null) writer.digest(message.blockId);
  if (message.kind !== 'precommit') writer.int32(message.validRound);
}

function signaturesLength(signatures: readonly CertificateSignature[]): number {
  return 1 + 2 + signatures.length * SIGNED_BY_LENGTH;
}

function writeSignatures(writer: Writer, signatures: readonly CertificateSignature[]): void {
  writer.uint8(SIGNATURE_LIST);
  writer.uint16(signatures.length);
  for (const { validator, signature } of signatures) {
    writer.uint16(validator);
    writeSignature(writer, signature);
  }
}

/** Their height is that of the certificate. */
function writeVotes(writer: Writer, certificate: RoundCertificate): void {
  writer.uint8(REASON_TAGS[certificate.reason]);
  writer.uint16(certificate.votes.length);
  for (const vote of certificate.votes) {
    writer.uint8(KIND_TAGS[vote.kind]);
    writeStatement(writer, vote);
  }
}

function writeSignature(writer: Writer, signature: Signature): void {
  assert(signature.length === SIGNATURE_LENGTH, 'a signature has 64 bytes');
  writer.raw(signature);
}

// ---- Reading -----------------------------------------------------------------------------------------------------

/** What `writeMessage` wrote. Throws INVALID_ENCODING. */
export function readMessage(reader: Reader): Message {
  const message = readUnchecked(reader);
  const problem = formProblem(message);
  if (problem !== undefined) throw reader.refusal(problem);
  return message;
}

function readUnchecked(reader: Reader): Message {
  const tag = reader.uint8();
  const height = reader.uint64();
  switch (tag) {
    case KIND_TAGS.proposal:
      return readProposal(reader, height);
    case KIND_TAGS.prevote:
      return readVote(reader, 'prevote', height);
    case KIND_TAGS.precommit:
      return readVote(reader, 'precommit', height);
    case KIND_TAGS['polka-certificate']:
      return readPolka(reader, height);
    case KIND_TAGS['commit-certificate']:
      return readCommit(reader, height);
    case KIND_TAGS['round-certificate']:
      return readRound(reader, height);
    default:
      throw reader.refusal(`kind ${tag} is unknown`);
  }
}

function readProposal(reader: Reader, height: number): Proposal {
  const round = reader.uint32();
  const blockId = readValue(reader);
  if (blockId === null) throw reader.refusal('it proposes nil');
  const validRound = reader.int32();
  const validator = reader.uint16();
  const signature = readSignature(reader);
  return { kind: 'proposal', height, round, blockId, validRound, validator, signature };
}

function readVote(reader: Reader, kind: VoteKind, height: number): Vote {
  const round = reader.uint32();
  const blockId = readValue(reader);
  const validRound = kind === 'prevote' ? reader.int32() : NO_ROUND;
  const validator = reader.uint16();
  const signature = readSignature(reader);
  return { kind, height, round, blockId, validRound, validator, signature };
}

function readPolka(reader: Reader, height: number): PolkaCertificate {
  const round = reader.uint32();
  const blockId = reader.digest() as BlockId;
  const validRound = reader.int32();
  const signatures = readSignatures(reader);
  return { kind: 'polka-certificate', height, round, blockId, validRound, signatures };
}

function readCommit(reader: Reader, height: number): CommitCertificate {
  const round = reader.uint32();
  const blockId = reader.digest() as BlockId;
  const signatures = readSignatures(reader);
  return { kind: 'commit-certificate', height, round, blockId, signatures };
}

function readRound(reader: Reader, height: number): RoundCertificate {
  const round = reader.uint32();
  const tag = reader.uint8();
  const reason = tag === REASON_TAGS.skip ? 'skip' : 'precommit-any';
  if (tag !== REASON_TAGS[reason]) throw reader.refusal(`reason ${tag} is unknown`);
  const votes = readList(reader, () => readVote(reader, readVoteKind(reader), height));
  return { kind: 'round-certificate', height, round, reason, votes };
}

function readVoteKind(reader: Reader): VoteKind {
  const tag = reader.uint8();
  const kind = tag === KIND_TAGS.prevote ? 'prevote' : 'precommit';
  if (tag !== KIND_TAGS[kind]) throw reader.refusal(`kind ${tag} is no vote`);
  return kind;
}

function readValue(reader: Reader): VoteValue {
  const tag = reader.uint8();
  if (tag === NIL_TAG) return null;
  if (tag !== BLOCK_TAG) throw reader.refusal(`value ${tag} is unknown`);
  return reader.digest() as BlockId;
}

function readSignatures(reader: Reader): CertificateSignature[] {
  const scheme = reader.uint8();
  if (scheme !== SIGNATURE_LIST) throw reader.refusal(`signature scheme ${scheme} is unknown`);
  return readList(reader, () => ({ validator: reader.uint16(), signature: readSignature(reader) }));
}

function readList<T>(reader: Reader, read: () => T): T[] {
  const count = reader.uint16();
  if (count > VALIDATORS_MAX) throw reader.refusal(`it has ${count} signers`);
  const list: T[] = [];
  for (let index = 0; index < count; index++) list.push(read());
  return list;
}

function readSignature(reader: Reader): Signature {
  return reader.raw(SIGNATURE_LENGTH) as Signature;
}
