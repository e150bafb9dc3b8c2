// Blocks: a header and what it binds. What a block does to the state is in `apply.ts`; here is its form.
//
//     block = [ header bytes, body bytes ]           id = digest('block', header bytes), header.body = digest('block-body', body bytes)
//     body  = [ commit of the parent or null, evidence, reclaims, parcels, transactions, null ]     each of them as encoded bytes
//
// The id is a function of the bytes of the whole block: a body that the header does not name makes it no block at all, so nobody
// can give a block's name to other bytes.

import { z } from 'zod';
import { equal, toHex } from '../base/bytes.ts';
import { bytesUpTo, decodeCanonical, encode, listOf } from '../base/codec.ts';
import { StoreError } from '../base/errors.ts';
import { digest, type Sha256 } from '../base/hash.ts';
import { DIGEST_LENGTH, type Digest } from '../base/ids.ts';
import {
  BLOCK_HEADER_LENGTH_MAX,
  BLOCK_LENGTH_MAX,
  BLOCK_RECEIPTS_LENGTH_MAX,
  CONSENSUS_MESSAGE_LENGTH_MAX,
  EVIDENCE_PER_BLOCK_MAX,
  RECEIPTS_PER_BLOCK_MAX,
  RECLAIMS_PER_BLOCK_MAX,
  TRANSACTION_LENGTH_MAX,
  TRANSACTIONS_PER_BLOCK_MAX,
} from '../base/limits.ts';
import { merkleRoot } from '../base/merkle.ts';
import { decodeEvidence, encodeEvidence } from '../consensus/evidence.ts';
import { decodeMessage, encodeMessage } from '../consensus/messages.ts';
import type { BlockId, CommitCertificate, Evidence } from '../consensus/types.ts';
import { decodeHeader, encodeHeader, type Header, headerId } from './header.ts';
import { decodeReclaim, encodeReclaim, type Reclaim } from './inbox.ts';
import { decodeParcel, encodeParcel, type Parcel } from './parcel.ts';
import { type Deliveries, receiptDigest } from './receipts.ts';
import {
  decodeTransaction,
  encodeTransaction,
  type KnownTransactions,
  type Operations,
  type SignedTransaction,
} from './transaction.ts';

/** What a block carries, in the order in which it is executed. */
export interface BlockBody {
  /** Decision for the parent; null in the first block. */
  readonly lastCommit: CommitCertificate | null;
  readonly evidence: readonly Evidence[];
  readonly reclaims: readonly Reclaim[];
  readonly parcels: readonly Parcel[];
  readonly transactions: readonly SignedTransaction[];
}

export interface Block {
  readonly header: Header;
  readonly body: BlockBody;
  readonly id: Digest;
  readonly bytes: Uint8Array;
}

/** The kinds of transactions and messages that a network knows. */
export interface Kinds {
  readonly operations: Operations;
  readonly deliveries: Deliveries;
}

// ---- What a header says of the body --------------------------------------------------------------------------

export type BodyRoots = Pick<Header, 'lastCommit' | 'transactionsRoot' | 'receiptsRoot' | 'evidenceRoot'>;

export function rootsOfBody(body: BlockBody, sha256?: Sha256): BodyRoots {
  const receipts = body.parcels.flatMap((parcel) => parcel.receipts);
  return {
    lastCommit: commitDigest(body.lastCommit, sha256),
    transactionsRoot: merkleRoot(
      body.transactions.map(({ id }) => id),
      sha256,
    ),
    receiptsRoot: merkleRoot(
      receipts.map(({ bytes }) => receiptDigest(bytes, sha256)),
      sha256,
    ),
    evidenceRoot: merkleRoot(
      body.evidence.map((evidence) => digest('evidence', [encodeEvidence(evidence)], sha256)),
      sha256,
    ),
  };
}

/** Zeros for none. */
export function commitDigest(commit: CommitCertificate | null, sha256?: Sha256): Digest {
  if (commit === null) return new Uint8Array(DIGEST_LENGTH) as Digest;
  return digest('commit', [encodeMessage(commit)], sha256);
}

// ---- Bytes ---------------------------------------------------------------------------------------------------

const frameSchema = z.tuple([bytesUpTo(BLOCK_HEADER_LENGTH_MAX), bytesUpTo(BLOCK_LENGTH_MAX)]);

/** The last field is for endorsements of shards by committees. */
const bodySchema = z.tuple([
  bytesUpTo(CONSENSUS_MESSAGE_LENGTH_MAX).nullable(),
  listOf(bytesUpTo(CONSENSUS_MESSAGE_LENGTH_MAX), EVIDENCE_PER_BLOCK_MAX),
  listOf(bytesUpTo(BLOCK_LENGTH_MAX), RECLAIMS_PER_BLOCK_MAX),
  listOf(bytesUpTo(BLOCK_RECEIPTS_LENGTH_MAX), RECEIPTS_PER_BLOCK_MAX),
  listOf(bytesUpTo(TRANSACTION_LENGTH_MAX), TRANSACTIONS_PER_BLOCK_MAX),
  z.null(),
]);

function encodeBody(body: BlockBody, { operations }: Kinds): Uint8Array {
  const { lastCommit, evidence, reclaims, parcels, transactions } = body;
  return encode([
    lastCommit === null ? null : encodeMessage(lastCommit),
    evidence.map(encodeEvidence),
    reclaims.map(encodeReclaim),
    parcels.map(encodeParcel),
    transactions.map((transaction) => encodeTransaction(transaction, operations)),
    null,
  ]);
}

/** The block of `body` under a header that says `about`, its roots aside. It may be longer than a block is allowed to be. */
export function sealBlock(
  about: Omit<Header, keyof BodyRoots | 'body'>,
  body: BlockBody,
  kinds: Kinds,
  sha256?: Sha256,
): Block {
  const packed = encodeBody(body, kinds);
  const header: Header = {
    ...about,
    ...rootsOfBody(body, sha256),
    body: digest('block-body', [packed], sha256),
  };
  return { header, body, ...frame(encodeHeader(header), packed, sha256) };
}

function frame(header: Uint8Array, body: Uint8Array, sha256?: Sha256): { id: Digest; bytes: Uint8Array } {
  return { id: headerId(header, sha256), bytes: encode([header, body]) };
}

/** Form only, and that the header names this body. Transactions that are `known` are not decoded again. Throws INVALID_ENCODING. */
export function decodeBlock(
  bytes: Uint8Array,
  kinds: Kinds,
  sha256?: Sha256,
  known?: KnownTransactions,
): Block {
  const [packedHeader, packedBody] = openFrame(bytes, sha256);
  const header = decodeHeader(packedHeader);
  const tuple = decodeCanonical(bodySchema, packedBody, BLOCK_LENGTH_MAX, 'block body');
  const [commit, evidence, reclaims, parcels, transactions] = tuple;
  const body: BlockBody = {
    lastCommit: commit === null ? null : decodeCommit(commit),
    evidence: evidence.map(decodeEvidence),
    reclaims: reclaims.map(decodeReclaim),
    parcels: parcels.map((parcel) => decodeParcel(parcel, kinds.deliveries)),
    transactions: transactions.map((packed) => decodeTransaction(packed, kinds.operations, sha256, known)),
  };
  return { header, body, id: headerId(packedHeader, sha256), bytes };
}

function openFrame(bytes: Uint8Array, sha256?: Sha256): readonly [header: Uint8Array, body: Uint8Array] {
  const [header, body] = decodeCanonical(frameSchema, bytes, BLOCK_LENGTH_MAX, 'block');
  if (!equal(decodeHeader(header).body, digest('block-body', [body], sha256))) {
    throw new StoreError('INVALID_ENCODING', 'block: its header names another body');
  }
  return [header, body];
}

/** What the bytes of a block say about its time, whatever its body is; undefined for bytes that are no block. */
export function blockTimeOf(bytes: Uint8Array): number | undefined {
  try {
    const [header] = decodeCanonical(frameSchema, bytes, BLOCK_LENGTH_MAX, 'block');
    return decodeHeader(header).timeMs;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return undefined;
  }
}

function decodeCommit(bytes: Uint8Array): CommitCertificate {
  const message = decodeMessage(bytes);
  if (message.kind !== 'commit-certificate') {
    throw new StoreError('INVALID_ENCODING', 'block: what it has of the parent is no commit certificate');
  }
  return message;
}

/** What validators agree on, of the bytes of a block. Bytes that are no block have an id that no block has. */
export function blockIdOf(bytes: Uint8Array, sha256?: Sha256): BlockId {
  try {
    return toHex(headerId(openFrame(bytes, sha256)[0], sha256)) as BlockId;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return toHex(digest('block-body', [bytes], sha256)) as BlockId;
  }
}
