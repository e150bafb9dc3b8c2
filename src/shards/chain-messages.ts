// What clients ask nodes of the chain, as canonical records: one section per service, request then reply. A request is the header of a
// call, a reply the body of its answer, because answers can be longer than a header may be; their own headers are empty. Every answer
// carries what proves it to whoever trusts one header (`client/chain` checks it). Refusals are errors with a code.
//
// What nodes ask each other to catch up is in `sync-messages.ts`. Everything decoded here is hostile until checked.

import { z } from 'zod';
import { bytesUpTo, decodeCanonical, digestOf, encode, listOf, uint } from '../base/codec.ts';
import type { Sha256 } from '../base/hash.ts';
import type { Digest } from '../base/ids.ts';
import {
  BLOCK_HEADER_LENGTH_MAX,
  BLOCK_LENGTH_MAX,
  CHAIN_WAIT_MS_MAX,
  CONSENSUS_MESSAGE_LENGTH_MAX,
  HEIGHT_MAX,
  LIGHT_BLOCK_LENGTH_MAX,
  PROVE_REPLY_LENGTH_MAX,
  PROVEN_PATHS_MAX,
  SERVICE_HEADER_LENGTH_MAX,
  SHARD_BITS_MAX,
  STATE_PROOF_LENGTH_MAX,
  STATE_RECORD_LENGTH_MAX,
  TRANSACTION_LENGTH_MAX,
  TRANSACTIONS_PER_BLOCK_MAX,
} from '../base/limits.ts';
import { encodeMessage } from '../consensus/messages.ts';
import type { CommitCertificate } from '../consensus/types.ts';
import { decodeShardHeader, encodeShardHeader, type ShardHeader } from './header.ts';
import { decodeCommit, decodeLightBlock, encodeLightBlock, type LightBlock } from './light-block.ts';
import { REFUSALS, type RefusalCode } from './operation.ts';
import { decodeProof, encodeProof, type StateProof } from './tree/proof.ts';
import type { StatePath } from './tree/path.ts';
import type { Loaded } from './view.ts';

/** Names of the services. */
export const CHAIN_SERVICES = {
  founding: 'chain-founding',
  head: 'chain-head',
  light: 'chain-light',
  prove: 'chain-prove',
  submit: 'chain-submit',
  transaction: 'chain-transaction',
  block: 'chain-block',
  decisions: 'chain-decisions',
  checkpoint: 'chain-checkpoint',
  chunk: 'chain-chunk',
} as const;

/** Siblings on the way to a transaction: 2^12 of them fit a block. */
const TRANSACTION_PATH_MAX = 12;

const request = <T>(schema: z.ZodType<T>, bytes: Uint8Array, service: string): T =>
  decodeCanonical(schema, bytes, SERVICE_HEADER_LENGTH_MAX, `${service} request`);

const height: z.ZodType<number> = uint(HEIGHT_MAX);

// ---- chain-founding, chain-head, chain-checkpoint: nothing to say --------------------------------------------------

const nothingSchema = z.tuple([]);
export const encodeNothing = (): Uint8Array => encode([]);
/** Throws INVALID_ENCODING unless the request is the empty one; `service` is for the message. */
export const decodeNothing = (bytes: Uint8Array, service: string): void => {
  request(nothingSchema, bytes, service);
};

// The reply of chain-founding is the founding document as it is (at most FOUNDING_LENGTH_MAX bytes), that of chain-head a light block.

// ---- chain-light: the light block of a height; its reply is `encodeLightBlock` -------------------------------------

const heightSchema = z.tuple([height]).transform(([asked]) => asked);
export const encodeHeight = (asked: number): Uint8Array => encode([asked]);
/** Request of chain-light and of chain-block; `service` is for the message. */
export const decodeHeight = (bytes: Uint8Array, service: string): number =>
  request(heightSchema, bytes, service);

// ---- chain-prove: records of one state, each with its proof ----------------------------------------------------------

export interface ProveRequest {
  /** 1 to PROVEN_PATHS_MAX. */
  readonly paths: readonly StatePath[];
  /** The answer is proven by a header of this height or a later one. */
  readonly atLeast: number;
  /** Not a later one either: the header of exactly this height. NOT_FOUND when its state cannot be proven any more. */
  readonly exactly: number | undefined;
  /** The node waits at most so long for a header of height `atLeast`, then refuses as NOT_FOUND. */
  readonly waitMs: number;
  /** Whoever asks has the header and those of the shards already. */
  readonly isHeaderKnown: boolean;
}

const proveSchema = z
  .tuple([
    listOf(digestOf<StatePath>(), PROVEN_PATHS_MAX).refine((paths) => paths.length > 0, 'no path'),
    height,
    height.nullable(),
    uint(CHAIN_WAIT_MS_MAX),
    z.boolean(),
  ])
  .refine(([, atLeast, exactly]) => exactly === null || atLeast <= exactly, 'a height below the least')
  .transform(
    ([paths, atLeast, exactly, waitMs, isHeaderKnown]): ProveRequest => ({
      paths,
      atLeast,
      exactly: exactly ?? undefined,
      waitMs,
      isHeaderKnown,
    }),
  );

export const encodeProve = (prove: ProveRequest): Uint8Array =>
  encode([prove.paths, prove.atLeast, prove.exactly ?? null, prove.waitMs, prove.isHeaderKnown]);
export const decodeProve = (bytes: Uint8Array): ProveRequest =>
  request(proveSchema, bytes, CHAIN_SERVICES.prove);

/** A header, and those of all shards, whose root it names. */
export interface Framing {
  readonly light: LightBlock;
  readonly shards: readonly ShardHeader[];
}

export interface ProveReply {
  /** Of the header that proves it: the records are of the state after the height before. */
  readonly height: number;
  /** Undefined when the request said that it is known. */
  readonly framing: Framing | undefined;
  /** In the order of the paths; null where there is none. */
  readonly records: readonly Loaded[];
  readonly proofs: readonly StateProof[];
}

export const shardHeadersSchema: z.ZodType<Uint8Array[]> = listOf(
  bytesUpTo(BLOCK_HEADER_LENGTH_MAX),
  2 ** SHARD_BITS_MAX,
);

const proveReplySchema = z
  .tuple([
    height,
    z.tuple([bytesUpTo(LIGHT_BLOCK_LENGTH_MAX), shardHeadersSchema]).nullable(),
    listOf(bytesUpTo(STATE_RECORD_LENGTH_MAX).nullable(), PROVEN_PATHS_MAX),
    listOf(bytesUpTo(STATE_PROOF_LENGTH_MAX), PROVEN_PATHS_MAX),
  ])
  .refine(([, , records, proofs]) => records.length === proofs.length, 'records without proof');

export function encodeProveReply({ height, framing, records, proofs }: ProveReply): Uint8Array {
  const framed =
    framing === undefined ? null : [encodeLightBlock(framing.light), framing.shards.map(encodeShardHeader)];
  return encode([height, framed, records, proofs.map(encodeProof)]);
}

export function decodeProveReply(bytes: Uint8Array, sha256?: Sha256): ProveReply {
  const [height, framed, records, proofs] = decodeCanonical(
    proveReplySchema,
    bytes,
    PROVE_REPLY_LENGTH_MAX,
    'chain-prove reply',
  );
  const framing =
    framed === null
      ? undefined
      : { light: decodeLightBlock(framed[0], sha256), shards: framed[1].map(decodeShardHeader) };
  return { height, framing, records, proofs: proofs.map(decodeProof) };
}

// ---- chain-submit: the request's header is empty, its body the transaction; the reply names it ------------------------

const submittedSchema = z.tuple([digestOf<Digest>()]).transform(([id]) => id);
export const encodeSubmitted = (id: Digest): Uint8Array => encode([id]);
export const SUBMIT_REPLY_LENGTH_MAX = 64;
export const decodeSubmitted = (bytes: Uint8Array): Digest =>
  decodeCanonical(submittedSchema, bytes, SUBMIT_REPLY_LENGTH_MAX, 'chain-submit reply');

// ---- chain-transaction: where a transaction was included --------------------------------------------------------------

export interface TransactionRequest {
  readonly id: Digest;
  /** The node waits at most so long for it to be included, then refuses as NOT_FOUND. */
  readonly waitMs: number;
}

const transactionSchema = z
  .tuple([digestOf<Digest>(), uint(CHAIN_WAIT_MS_MAX)])
  .transform(([id, waitMs]): TransactionRequest => ({ id, waitMs }));
export const encodeTransactionRequest = ({ id, waitMs }: TransactionRequest): Uint8Array =>
  encode([id, waitMs]);
export const decodeTransactionRequest = (bytes: Uint8Array): TransactionRequest =>
  request(transactionSchema, bytes, CHAIN_SERVICES.transaction);

export interface TransactionReply {
  /** Of the block that has it: its `transactionsRoot` is over the ids of `count` transactions. */
  readonly light: LightBlock;
  readonly index: number;
  readonly count: number;
  /** `proveInclusion` of the id. */
  readonly path: readonly Digest[];
  /** What the node says came of it: no header binds that. */
  readonly refusal: RefusalCode | undefined;
  /** The transaction. */
  readonly bytes: Uint8Array;
}

const transactionReplySchema = z.tuple([
  bytesUpTo(LIGHT_BLOCK_LENGTH_MAX),
  uint(TRANSACTIONS_PER_BLOCK_MAX),
  uint(TRANSACTIONS_PER_BLOCK_MAX),
  listOf(digestOf<Digest>(), TRANSACTION_PATH_MAX),
  z.enum(REFUSALS).nullable(),
  bytesUpTo(TRANSACTION_LENGTH_MAX),
]);

export const TRANSACTION_REPLY_LENGTH_MAX: number = LIGHT_BLOCK_LENGTH_MAX + TRANSACTION_LENGTH_MAX + 1024;

export function encodeTransactionReply(reply: TransactionReply): Uint8Array {
  const { light, index, count, path, refusal, bytes } = reply;
  return encode([encodeLightBlock(light), index, count, path, refusal ?? null, bytes]);
}

export function decodeTransactionReply(packed: Uint8Array, sha256?: Sha256): TransactionReply {
  const [light, index, count, path, refusal, bytes] = decodeCanonical(
    transactionReplySchema,
    packed,
    TRANSACTION_REPLY_LENGTH_MAX,
    'chain-transaction reply',
  );
  return { light: decodeLightBlock(light, sha256), index, count, path, refusal: refusal ?? undefined, bytes };
}

// ---- chain-block: a decision ----------------------------------------------------------------------------------------

export interface DecisionReply {
  /** The block as it was proposed. */
  readonly block: Uint8Array;
  readonly certificate: CommitCertificate;
}

export const decisionSchema: z.ZodType<readonly [Uint8Array, Uint8Array]> = z.tuple([
  bytesUpTo(BLOCK_LENGTH_MAX),
  bytesUpTo(CONSENSUS_MESSAGE_LENGTH_MAX),
]);

export const DECISION_LENGTH_MAX: number = BLOCK_LENGTH_MAX + CONSENSUS_MESSAGE_LENGTH_MAX + 64;

/** As it stands in replies. */
export const decisionTuple = ({ block, certificate }: DecisionReply): readonly Uint8Array[] => [
  block,
  encodeMessage(certificate),
];

export const encodeDecision = (decision: DecisionReply): Uint8Array => encode(decisionTuple(decision));

/** Form only: that the certificate is for the block is not checked. */
export function decodeDecision(bytes: Uint8Array): DecisionReply {
  const [block, certificate] = decodeCanonical(
    decisionSchema,
    bytes,
    DECISION_LENGTH_MAX,
    'chain-block reply',
  );
  return { block, certificate: decodeCommit(certificate) };
}
