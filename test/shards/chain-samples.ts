// One message of every kind that is said about a chain, made of fixed parts.

import { toHex } from '../../src/base/bytes.ts';
import type { Digest, Epoch, NetworkId, NodeId, ShardId } from '../../src/base/ids.ts';
import { portableSigner } from '../../src/base/keys.ts';
import { signBytes } from '../../src/consensus/sign-bytes.ts';
import { type BlockId, type CommitCertificate, NO_ROUND } from '../../src/consensus/types.ts';
import { validatorSet, validatorSetDigest } from '../../src/consensus/validator-set.ts';
import {
  decodeDecision,
  decodeHeight,
  decodeNothing,
  decodeProve,
  decodeProveReply,
  decodeSubmitted,
  decodeTransactionReply,
  decodeTransactionRequest,
  encodeDecision,
  encodeHeight,
  encodeNothing,
  encodeProve,
  encodeProveReply,
  encodeSubmitted,
  encodeTransactionReply,
  encodeTransactionRequest,
} from '../../src/shards/chain-messages.ts';
import type { Checkpoint } from '../../src/shards/checkpoint.ts';
import { encodeHeader, type Header, headerId, type ShardHeader } from '../../src/shards/header.ts';
import {
  decodeLightBlock,
  encodeLightBlock,
  type LightBlock,
  lightBlock,
} from '../../src/shards/light-block.ts';
import {
  decodeCheckpointReply,
  decodeChunkReply,
  decodeChunkRequest,
  decodeDecisions,
  decodeDecisionsReply,
  encodeCheckpointReply,
  encodeChunkReply,
  encodeChunkRequest,
  encodeDecisions,
  encodeDecisionsReply,
} from '../../src/shards/sync-messages.ts';
import type { StateChunk } from '../../src/shards/tree/chunk.ts';
import type { Prefix, StatePath } from '../../src/shards/tree/path.ts';
import type { StateProof } from '../../src/shards/tree/proof.ts';
import { digestFrom } from '../helpers/records.ts';

const network = digestFrom<NetworkId>('network');
const signers = ['a', 'b', 'c', 'd'].map((name) => portableSigner(digestFrom(`validator ${name}`)));
const set = validatorSet(
  signers.map(({ publicKey }, index) => ({ node: publicKey as NodeId, power: BigInt(10 + index) })),
);

function headerOf(height: number): Header {
  return {
    network,
    height,
    epoch: 3 as Epoch,
    timeMs: 1_750_000_000_000 + height,
    parent: digestFrom(`block ${height - 1}`),
    lastCommit: digestFrom('commit'),
    validators: validatorSetDigest(set),
    nextValidators: validatorSetDigest(set),
    shardBits: 1,
    stateRoot: digestFrom('state'),
    shardsRoot: digestFrom('shards'),
    transactionsRoot: digestFrom('transactions'),
    receiptsRoot: digestFrom('receipts'),
    evidenceRoot: digestFrom('evidence'),
    body: digestFrom('body'),
    proposer: set.validators[0]!.node,
    reveal: null,
  };
}

function certificateOf(height: number, id: Digest): CommitCertificate {
  const blockId = toHex(id) as BlockId;
  const vote = { kind: 'precommit', height, round: 2, blockId, validRound: NO_ROUND } as const;
  const signatures = [0, 1, 3].map((validator) => {
    const { node } = set.validators[validator]!;
    const signer = signers.find(({ publicKey }) => toHex(publicKey) === toHex(node))!;
    return { validator, signature: signer.sign(signBytes(network, { ...vote, validator })) };
  });
  return { kind: 'commit-certificate', height, round: 2, blockId, signatures };
}

export function sampleLight(height: number): LightBlock {
  const bytes = encodeHeader(headerOf(height));
  return lightBlock(bytes, certificateOf(height, headerId(bytes)), set);
}

const shards: readonly ShardHeader[] = [0, 1].map((shard) => ({
  shardBits: 1,
  shard: shard as ShardId,
  stateRoot: digestFrom(`root ${shard}`),
  outboxRoot: digestFrom(`outbox ${shard}`),
}));

const path = (name: string): StatePath => digestFrom<Digest>(name) as Uint8Array as StatePath;

const proofs: readonly StateProof[] = [
  {
    siblings: [digestFrom('left'), digestFrom('right')],
    end: { kind: 'leaf', path: path('x'), value: digestFrom('v') },
  },
  { siblings: [digestFrom('left')], end: { kind: 'empty' } },
];

const chunk: StateChunk = {
  prefix: '1' as Prefix,
  siblings: [digestFrom('other half')],
  leaves: [
    { kind: 'leaf', path: path('b').with(0, 0x80) as StatePath, value: digestFrom('first') },
    { kind: 'leaf', path: path('a').with(0, 0xff) as StatePath, value: digestFrom('second') },
  ],
};

const checkpoint: Checkpoint = {
  network,
  epoch: 3 as Epoch,
  height: 299,
  blockId: digestFrom('block 299'),
  stateRoot: digestFrom('state'),
  setDigest: digestFrom('set'),
  nextSetDigest: digestFrom('next set'),
};

const decision = (height: number) => ({
  block: digestFrom(`block ${height}`) as Uint8Array,
  certificate: certificateOf(height, digestFrom(`block ${height}`)),
});

/** A message with both directions of its codec. */
export interface Sample {
  readonly bytes: Uint8Array;
  /** Decodes, and encodes what came of it. */
  readonly again: (bytes: Uint8Array) => Uint8Array;
}

function sample<T>(value: T, encode: (value: T) => Uint8Array, decode: (bytes: Uint8Array) => T): Sample {
  return { bytes: encode(value), again: (bytes) => encode(decode(bytes)) };
}

const proveReply = { height: 300, records: [digestFrom('record') as Uint8Array, null], proofs };
const framing = { light: sampleLight(300), shards };

export const SAMPLES: Readonly<Record<string, Sample>> = {
  nothing: {
    bytes: encodeNothing(),
    again: (bytes) => {
      decodeNothing(bytes, 'sample');
      return encodeNothing();
    },
  },
  'light block': sample(sampleLight(300), encodeLightBlock, decodeLightBlock),
  height: sample(300, encodeHeight, (bytes) => decodeHeight(bytes, 'sample')),
  'prove request': sample(
    { paths: [path('a'), path('b')], atLeast: 300, exactly: undefined, waitMs: 2_000, isHeaderKnown: false },
    encodeProve,
    decodeProve,
  ),
  'prove request of one header': sample(
    { paths: [path('a')], atLeast: 0, exactly: 300, waitMs: 0, isHeaderKnown: true },
    encodeProve,
    decodeProve,
  ),
  'prove reply': sample({ ...proveReply, framing }, encodeProveReply, decodeProveReply),
  'prove reply to who knows the header': sample(
    { ...proveReply, framing: undefined },
    encodeProveReply,
    decodeProveReply,
  ),
  submitted: sample(digestFrom('transaction'), encodeSubmitted, decodeSubmitted),
  'transaction request': sample(
    { id: digestFrom('transaction'), waitMs: 5_000 },
    encodeTransactionRequest,
    decodeTransactionRequest,
  ),
  'transaction reply': sample(
    {
      light: sampleLight(300),
      index: 2,
      count: 3,
      path: [digestFrom('sibling')],
      refusal: 'insufficient-balance',
      bytes: digestFrom('transaction bytes') as Uint8Array,
    },
    encodeTransactionReply,
    decodeTransactionReply,
  ),
  decision: sample(decision(300), encodeDecision, decodeDecision),
  'decisions request': sample(
    { from: 300, count: 64, lengthBytes: 1_000_000 },
    encodeDecisions,
    decodeDecisions,
  ),
  'decisions reply': sample([decision(300), decision(301)], encodeDecisionsReply, decodeDecisionsReply),
  'checkpoint reply': sample(
    { checkpoint, last: sampleLight(299), first: sampleLight(300), shards },
    encodeCheckpointReply,
    decodeCheckpointReply,
  ),
  'chunk request': sample({ height: 299, prefix: '0110' as Prefix }, encodeChunkRequest, decodeChunkRequest),
  'chunk reply': sample(
    { chunk, records: [digestFrom('record 1') as Uint8Array, new Uint8Array(3)] },
    encodeChunkReply,
    decodeChunkReply,
  ),
};
